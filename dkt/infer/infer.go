// Package infer predicts with a trained model: of whole sequences, and of
// students step by step, from where they stand. Windows begin at multiples of
// their length, as in training, so a prediction follows from the answers of one
// window alone; either way it has the same bits, with whatever else it is
// computed.
package infer

import (
	"fmt"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// Unknown is the code of an answer to a skill that the model does not know.
const Unknown int32 = -1

// Model is a model made ready, read only.
type Model struct {
	p      *cpu.Predictor
	skills int
	window int
}

// New makes a model of weights, which must not change any more. window is that of
// its training, in answers. Models that take more of an answer than skill and
// correctness are refused.
func New(p *kernels.Params, window int, path cpu.Path) (*Model, error) {
	if p.Shape.Kinds+p.Shape.Levels > 0 {
		return nil, fmt.Errorf("the model takes further inputs (difficulty or elapsed): only models of skill and correctness are served")
	}
	if window < 2 {
		return nil, fmt.Errorf("window is %d answers, want at least 2", window)
	}
	predictor, err := cpu.NewPredictor(p, path)
	if err != nil {
		return nil, err
	}
	return &Model{p: predictor, skills: p.Shape.Skills, window: window}, nil
}

// Skills is the number of skills.
func (m *Model) Skills() int { return m.skills }

// Window is the most answers that a prediction follows from.
func (m *Model) Window() int { return m.window }

// Path is the kernel path in use.
func (m *Model) Path() cpu.Path { return m.p.Path() }

// NewLane makes what computes runs, for one goroutine.
func (m *Model) NewLane() *cpu.Lane { return cpu.NewLane(m.p) }

// Code is that of an answer: 2k wrong, 2k + 1 right, for skill k.
func Code(skill int, right bool) int32 {
	if right {
		return int32(2*skill + 1)
	}
	return int32(2 * skill)
}

// interaction is a code as the kernels number it.
func (m *Model) interaction(code int32) int32 { return code/2 + int32(m.skills)*(code%2) }

// begins is where the window begins that says what is predicted at a position.
func (m *Model) begins(position uint64) uint64 {
	if position == 0 {
		return 0
	}
	w := uint64(m.window)
	return (position - 1) / w * w
}

// Whole is the run of a sequence of codes from its beginning, each from 0 to
// below 2·Skills. Its Logits are set when it has run.
func (m *Model) Whole(codes []int32) *cpu.Run {
	window := codes[m.begins(uint64(len(codes))):]
	r := &cpu.Run{In: make([]int32, 0, len(window)), Logits: make([]float32, m.skills)}
	for _, code := range window {
		r.In = append(r.In, m.interaction(code))
	}
	return r
}

// Probabilities turns logits into P(correct), in place.
func Probabilities(logits []float32) []float32 {
	for k, z := range logits {
		logits[k] = kernels.Sigmoid(z)
	}
	return logits
}
