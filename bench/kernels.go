package bench

import (
	"context"
	"fmt"
	"time"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// peakTime is how long an FMA peak is measured beside a figure.
const peakTime = 30 * time.Millisecond

// Kernels are the machine's limits and the phases of a step, for each path that
// is not portable: the reference is no contender.
func Kernels(loads []Load, threads int) ([]Scenario, func(), error) {
	all := []Scenario{memoryCopy(threads)}
	var open []*stepper
	done := func() {
		for _, s := range open {
			_ = s.engine.Close()
		}
	}
	for _, path := range cpu.Paths() {
		for k, l := range loads {
			if path == cpu.Portable && len(cpu.Paths()) > 1 {
				continue
			}
			s, err := newStepper(l, path, threads)
			if err != nil {
				done()
				return nil, nil, err
			}
			open = append(open, s)
			if k == 0 {
				all = append(all, Scenario{Name: fmt.Sprintf("Kernels/fma-peak/path=%s-%d", path, threads), Run: s.peak})
			}
			all = append(all, s.scenarios(path, threads)...)
		}
	}
	return all, done, nil
}

func memoryCopy(threads int) Scenario {
	b := newBandwidth(threads)
	return Scenario{Name: fmt.Sprintf("Kernels/memory-copy-%d", threads), Run: func(context.Context) ([]Metric, error) {
		return []Metric{{"GB/s", b.measure() / 1e9}}, nil
	}}
}

// stepper runs the phases of one step, over and over.
type stepper struct {
	load    Load
	engine  *cpu.Engine
	seqs    []kernels.Sequence
	answers int
	params  *kernels.Params
	grad    kernels.Gradient
	m, v    []float32
	sums    *kernels.Sums
	derived kernels.Derived
	logits  [][]float32
}

func newStepper(l Load, path cpu.Path, threads int) (*stepper, error) {
	e, err := cpu.New(l.Shape, cpu.Options{Threads: threads, Path: path})
	if err != nil {
		return nil, err
	}
	n := l.Shape.ParamCount()
	s := &stepper{
		load: l, engine: e, seqs: l.sequences(l.Batch), params: kernels.InitParams(l.Shape, 1),
		m: make([]float32, n), v: make([]float32, n), sums: &kernels.Sums{Shape: l.Shape},
	}
	s.answers = answers(s.seqs)
	for _, q := range s.seqs {
		s.logits = append(s.logits, make([]float32, len(q.In)))
	}
	s.sums.Place(s.seqs)
	if err := s.warm(); err != nil {
		return nil, fmt.Errorf("%s: %w", l.Name, err)
	}
	return s, nil
}

// warm makes each buffer once, so that no repetition pays for it.
func (s *stepper) warm() error {
	for _, f := range []func() error{s.loadWeights, s.gradients(0.1), s.derive, s.adam, s.forward} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stepper) loadWeights() error { return s.engine.Load(s.params) }
func (s *stepper) forward() error     { return s.engine.Logits(s.seqs, s.logits) }

func (s *stepper) gradients(rate float64) func() error {
	return func() error { return s.engine.Gradients(s.seqs, kernels.Dropout{Rate: rate}, s.sums) }
}

func (s *stepper) derive() error {
	if err := s.engine.DeriveShare(s.params, s.sums, 0, 1, &s.derived); err != nil {
		return err
	}
	return s.engine.Mean(s.sums, &s.derived, &s.grad)
}

func (s *stepper) adam() error {
	return s.engine.Adam(s.params.Data, s.m, s.v, &s.grad, kernels.AdamStep{Beta1: 0.9, Beta2: 0.999, Rate: 1e-6, Root: 3, Epsilon: 1e-8}, kernels.AbsentNow)
}

func (s *stepper) peak(context.Context) ([]Metric, error) {
	return []Metric{{"GFLOP/s", s.engine.Peak(10*peakTime) / 1e9}}, nil
}

func (s *stepper) scenarios(path cpu.Path, threads int) []Scenario {
	work := flop(s.load.Shape, s.answers)
	adam := 28 * float64(len(s.m)) // bytes: four vectors read, three written
	of := func(phase string, flop, bytes float64, f func() error) Scenario {
		name := fmt.Sprintf("Kernels/%s/%s/path=%s-%d", phase, s.load.Name, path, threads)
		return Scenario{Name: name, Run: func(context.Context) ([]Metric, error) { return s.measure(flop, bytes, f) }}
	}
	return []Scenario{
		of("load", 0, 0, s.loadWeights),
		of("forward", work/3, 0, s.forward),
		of("gradients/dropout=0", work, 0, s.gradients(0)),
		of("gradients/dropout=0.1", work, 0, s.gradients(0.1)),
		of("derive", 0, 0, s.derive),
		of("adam", 0, adam, s.adam),
	}
}

func (s *stepper) measure(flop, bytes float64, f func() error) ([]Metric, error) {
	before := s.engine.Peak(peakTime)
	m, d, err := timed(f)
	metrics := []Metric{m, {"answers/s", float64(s.answers) / d.Seconds()}}
	if flop > 0 {
		rate := flop / d.Seconds()
		metrics = append(metrics, Metric{"GFLOP/s", rate / 1e9}, Metric{"percent_of_peak", 100 * rate / max(before, s.engine.Peak(peakTime))})
	}
	if bytes > 0 {
		metrics = append(metrics, Metric{"GB/s", bytes / d.Seconds() / 1e9})
	}
	return metrics, err
}
