package graph_test

import (
	"fmt"
	"math"
	"testing"

	"cohort/dataplane"
	"cohort/dkt"
	"cohort/dkt/graph"
	"cohort/dkt/sequence"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

// learners answer right more often the oftener they have met a skill.
func learners(t *testing.T) dkt.Data {
	t.Helper()
	all := make([]dataplane.History, 45)
	for k := range all {
		all[k].Student = fmt.Sprintf("%032x", k)
		met := [3]int{}
		for step := range 9 {
			w := kernels.Philox([2]uint32{7, 7}, [4]uint32{uint32(k), uint32(step)})
			skill := int32(w[0] % 3)
			met[skill]++
			all[k].Skill = append(all[k].Skill, skill)
			all[k].Correct = append(all[k].Correct, uint8(min(1, (met[skill]+int(w[1]%2))/3)))
		}
	}
	var d dkt.Data
	var err error
	if d.Train, err = sequence.Build(all[:30], 9, 3); err != nil {
		t.Fatal(err)
	}
	if d.Valid, err = sequence.Build(all[30:], 9, 3); err != nil {
		t.Fatal(err)
	}
	return d
}

func config() dkt.Config {
	return dkt.Config{
		Shape:   kernels.Shape{Skills: 3, Embed: 4, Hidden: 5, Layers: 2},
		Dropout: 0.1, Batch: 5, Accumulate: 1, Epochs: 2, Rate: dkt.Rate{Base: 0.03}, Seed: 11,
	}
}

func trained(t *testing.T, cell graph.Cell, threads int) *dkt.State {
	t.Helper()
	c := config()
	e, err := graph.New(c.Shape, cell, threads)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // nothing to lose
	st := dkt.NewState(c)
	if err := dkt.Train(t.Context(), c, learners(t), e, dkt.Seat{Size: 1}, dkt.Alone{}, st, nothing{}); err != nil {
		t.Fatal(err)
	}
	return st
}

type nothing struct{}

func (nothing) StepDone(dkt.StepReport)                     {}
func (nothing) EpochDone(dkt.EpochReport, *dkt.State) error { return nil }

// Each cell learns, alone has one hash on any number of threads, and is another
// model than the others.
func TestEachCellLearnsTheSameOnAnyNumberOfThreads(t *testing.T) {
	t.Parallel()
	seen := map[string]graph.Cell{}
	for _, cell := range []graph.Cell{graph.LSTM, graph.GRU, graph.RNN} {
		st := trained(t, cell, 1)
		if auc := st.BestValid.AUC; auc < 0.6 {
			t.Errorf("%s: validation AUC %.3f", cell, auc)
		}
		if more := trained(t, cell, 3); more.BestHash != st.BestHash {
			t.Errorf("%s: %s on one thread, %s on three", cell, st.BestHash, more.BestHash)
		}
		if other, twice := seen[st.BestHash]; twice {
			t.Errorf("%s gives the weights of %s", cell, other)
		}
		seen[st.BestHash] = cell
	}
}

// Of an LSTM, the graph's sums and logits are the fused kernels' but for rounding.
func TestTheEngineAgreesWithTheKernels(t *testing.T) {
	t.Parallel()
	c, d := config(), learners(t)
	p := kernels.InitParams(c.Shape, 5)
	seqs := d.Train.Seqs[:9]
	slow, err := graph.New(c.Shape, graph.LSTM, 2)
	if err != nil {
		t.Fatal(err)
	}
	fused, err := cpu.New(c.Shape, cpu.Options{Path: cpu.Portable})
	if err != nil {
		t.Fatal(err)
	}
	var sums [2]*kernels.Sums
	var logits [2][][]float32
	for k, e := range []dkt.Backend{slow, fused} {
		sums[k] = kernels.NewSums(c.Shape)
		sums[k].Place(seqs)
		for _, s := range seqs {
			logits[k] = append(logits[k], make([]float32, len(s.In)))
		}
		if err := e.Load(p); err != nil {
			t.Fatal(err)
		}
		if err := e.Gradients(seqs, kernels.Dropout{Seed: 3, Epoch: 1, Rate: 0.2}, sums[k]); err != nil {
			t.Fatal(err)
		}
		if err := e.Logits(seqs, logits[k]); err != nil {
			t.Fatal(err)
		}
	}
	for k, q := range sums[0].Data {
		if diff := math.Abs(float64(q-sums[1].Data[k])) / kernels.FixedOne; diff > 1e-5 {
			t.Fatalf("sum %d differs by %g", k, diff)
		}
	}
	for i := range seqs {
		for step, z := range logits[0][i] {
			if math.Abs(float64(z-logits[1][i][step])) > 1e-5 {
				t.Fatalf("sequence %d, step %d: logit %g, kernels %g", i, step, z, logits[1][i][step])
			}
		}
	}
}

// The forward pass and the graph are two statements of one model: the loss of its
// logits is the graph's.
func TestForwardAndGraphAreOneModel(t *testing.T) {
	t.Parallel()
	c, d := config(), learners(t)
	p := kernels.InitParams(c.Shape, 5)
	for _, cell := range []graph.Cell{graph.LSTM, graph.GRU, graph.RNN} {
		e, err := graph.New(c.Shape, cell, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Load(p); err != nil {
			t.Fatal(err)
		}
		for _, s := range d.Train.Seqs[:5] {
			want, _, err := graph.Gradients(p, cell, []kernels.Sequence{s}, graph.Keep)
			if err != nil {
				t.Fatal(err)
			}
			z := [][]float32{make([]float32, len(s.In))}
			if err := e.Logits([]kernels.Sequence{s}, z); err != nil {
				t.Fatal(err)
			}
			got := 0.0
			for step, v := range z[0] {
				got += math.Log1p(math.Exp(float64(v))) - float64(v)*float64(s.Right[step])
			}
			if math.Abs(got-want) > 1e-5 {
				t.Errorf("%s: loss %g, graph's %g", cell, got, want)
			}
		}
	}
}

func TestWhatTheEngineDoesNotKnowIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := graph.ParseCell("transformer"); err == nil {
		t.Error("an unknown cell was taken")
	}
	if _, err := graph.New(kernels.Shape{Skills: 2, Embed: 2, Hidden: 2, Layers: 1, Kinds: 4}, graph.GRU, 1); err == nil {
		t.Error("a model with kinds was taken")
	}
	e, err := graph.New(config().Shape, graph.GRU, 1)
	if err != nil {
		t.Fatal(err)
	}
	seqs := learners(t).Train.Seqs[:1]
	if err := e.Gradients(seqs, kernels.Dropout{}, kernels.NewSums(config().Shape)); err == nil {
		t.Error("gradients without parameters")
	}
	if err := e.Load(kernels.InitParams(config().Shape, 1)); err != nil {
		t.Fatal(err)
	}
	g := kernels.NewSums(config().Shape)
	g.Place([]kernels.Sequence{{In: []int32{0}, Ask: []int32{0}}})
	if err := e.Gradients(seqs, kernels.Dropout{}, g); err == nil {
		t.Error("sums without a place for what occurs")
	}
}
