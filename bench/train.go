package bench

import (
	"context"
	"fmt"
	"time"

	"cohort/dataplane"
	"cohort/dkt"
	"cohort/dkt/sequence"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

// Epoch is a training to measure: one epoch over data, with everything that
// belongs to it.
type Epoch struct {
	Name   string
	Config dkt.Config
	Data   dkt.Data
}

// NewEpoch is an epoch of so many simulated sequences, and a fifth as many for
// validation.
func NewEpoch(l Load, sequences int) (Epoch, error) {
	e := Epoch{Name: l.Name, Config: config(l.Shape)}
	e.Config.Batch = l.Batch
	histories := l.histories(sequences + sequences/5)
	var err error
	if e.Data.Train, err = sequence.Build(histories[:sequences], 201, l.Shape.Skills); err == nil {
		e.Data.Valid, err = sequence.Build(histories[sequences:], 201, l.Shape.Skills)
	}
	return e, err
}

// config is protocol M, what a plain DKT is measured with, for one epoch.
func config(s kernels.Shape) dkt.Config {
	return dkt.Config{
		Shape: s, Dropout: 0.1, Batch: 64, Accumulate: 1, Epochs: 1, Rate: dkt.Rate{Base: 1e-3}, Seed: 42,
	}
}

// histories are students whose windows are the load's sequences.
func (l Load) histories(n int) []dataplane.History {
	all := make([]dataplane.History, n)
	for k, s := range l.sequences(n) {
		h := &all[k]
		h.Student = fmt.Sprintf("%032x", k)
		for t, x := range s.In {
			h.Skill = append(h.Skill, x%int32(l.Shape.Skills))
			h.Correct = append(h.Correct, uint8(int(x)/l.Shape.Skills))
			if t == len(s.In)-1 {
				h.Skill, h.Correct = append(h.Skill, s.Ask[t]), append(h.Correct, s.Right[t])
			}
		}
	}
	return all
}

// Train measures epochs, with the share of each phase.
func Train(epochs []Epoch, threads int) ([]Scenario, func(), error) {
	var all []Scenario
	var open []*cpu.Engine
	done := func() {
		for _, e := range open {
			_ = e.Close()
		}
	}
	for _, e := range epochs {
		engine, err := cpu.New(e.Config.Shape, cpu.Options{Threads: threads})
		if err != nil {
			done()
			return nil, nil, err
		}
		open = append(open, engine)
		all = append(all, Scenario{
			Name: fmt.Sprintf("Train/%s-%d", e.Name, threads),
			Run:  func(ctx context.Context) ([]Metric, error) { return e.run(ctx, engine) },
		})
	}
	return all, done, nil
}

func (e Epoch) run(ctx context.Context, engine *cpu.Engine) ([]Metric, error) {
	peak := engine.Peak(peakTime)
	b := &clocked{Backend: engine}
	st := dkt.NewState(e.Config)
	m, whole, err := timed(func() error {
		return dkt.Train(ctx, e.Config, e.Data, b, dkt.Seat{Size: 1}, dkt.Alone{}, st, silent{})
	})
	if err != nil {
		return nil, err
	}
	peak = max(peak, engine.Peak(peakTime))
	training := whole - b.spent["evaluate"]
	n, tested := float64(e.Data.Train.Answers()), float64(e.Data.Valid.Answers())
	metrics := []Metric{
		m,
		{"answers/s", n / training.Seconds()},
		{"percent_of_peak", 100 * flop(e.Config.Shape, int(n)) / training.Seconds() / peak},
		{"evaluation_ns/answer", float64(b.spent["evaluate"].Nanoseconds()) / tested},
	}
	rest := whole
	for _, phase := range []string{"load", "gradients", "derive", "adam", "evaluate"} {
		rest -= b.spent[phase]
		metrics = append(metrics, Metric{phase + "_percent", 100 * b.spent[phase].Seconds() / whole.Seconds()})
	}
	return append(metrics, Metric{"rest_percent", 100 * rest.Seconds() / whole.Seconds()}), nil
}

// clocked is a backend that adds up where time goes. "rest" is what it does not
// see: drawing the step, metrics, the weights' hash.
type clocked struct {
	dkt.Backend
	spent map[string]time.Duration
}

func (c *clocked) note(phase string, f func() error) error {
	if c.spent == nil {
		c.spent = map[string]time.Duration{}
	}
	start := time.Now()
	err := f()
	c.spent[phase] += time.Since(start)
	return err
}

func (c *clocked) Load(p *kernels.Params) error {
	return c.note("load", func() error { return c.Backend.Load(p) })
}

func (c *clocked) Gradients(seqs []kernels.Sequence, d kernels.Dropout, g *kernels.Sums) error {
	return c.note("gradients", func() error { return c.Backend.Gradients(seqs, d, g) })
}

func (c *clocked) Logits(seqs []kernels.Sequence, z [][]float32) error {
	return c.note("evaluate", func() error { return c.Backend.Logits(seqs, z) })
}

func (c *clocked) DeriveShare(p *kernels.Params, g *kernels.Sums, rank, size int, d *kernels.Derived) error {
	return c.note("derive", func() error { return c.Backend.DeriveShare(p, g, rank, size, d) })
}

func (c *clocked) Mean(g *kernels.Sums, d *kernels.Derived, out *kernels.Gradient) error {
	return c.note("derive", func() error { return c.Backend.Mean(g, d, out) })
}

func (c *clocked) Adam(theta, m, v []float32, grad *kernels.Gradient, a kernels.AdamStep, absent kernels.Absent) error {
	return c.note("adam", func() error { return c.Backend.Adam(theta, m, v, grad, a, absent) })
}

func (c *clocked) CatchUp(theta, m, v []float32, g *kernels.Sums) error {
	return c.note("adam", func() error { return c.Backend.CatchUp(theta, m, v, g) })
}

func (c *clocked) Settle(theta, m, v []float32) error {
	return c.note("adam", func() error { return c.Backend.Settle(theta, m, v) })
}

// silent hears nothing.
type silent struct{}

func (silent) StepDone(dkt.StepReport)                     {}
func (silent) EpochDone(dkt.EpochReport, *dkt.State) error { return nil }
