package infer_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/dataplane"
	"cohort/dkt/infer"
	"cohort/dkt/sequence"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

const (
	skills = 4
	window = 5
)

func weights() *kernels.Params {
	return kernels.InitParams(kernels.Shape{Skills: skills, Embed: 3, Hidden: 11, Layers: 2}, 9)
}

func newModel(t interface{ Fatal(...any) }) *infer.Model {
	m, err := infer.New(weights(), window, "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t interface{ Fatal(...any) }, m *infer.Model, runs ...*cpu.Run) {
	if err := m.NewLane().All(runs); err != nil {
		t.Fatal(err)
	}
}

// whole is P of every skill after a log, of which the model may know nothing.
func whole(t interface{ Fatal(...any) }, m *infer.Model, codes []int32) []float32 {
	r := m.Whole(codes)
	run(t, m, r)
	return infer.Probabilities(r.Logits)
}

// trained is what the engine of training says before each answer of a log, cut
// into windows as in training: -1 where it is not asked.
func trained(t *rapid.T, codes []int32) []float64 {
	h := dataplane.History{Student: "s"}
	out := make([]float64, len(codes))
	for k, c := range codes {
		h.Skill, h.Correct, out[k] = append(h.Skill, c/2), append(h.Correct, uint8(c%2)), -1
	}
	set, err := sequence.Build([]dataplane.History{h}, window, skills)
	if err != nil {
		t.Fatal(err)
	}
	e, err := cpu.New(weights().Shape, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // nothing to lose
	if err := e.Load(weights()); err != nil {
		t.Fatal(err)
	}
	for w, s := range set.Seqs {
		z := make([]float32, len(s.In))
		if err := e.Logits([]kernels.Sequence{s}, [][]float32{z}); err != nil {
			t.Fatal(err)
		}
		for k, v := range z {
			out[w*window+k+1] = float64(kernels.Sigmoid(v))
		}
	}
	return out
}

func codesOf(least int32, size int) *rapid.Generator[[]int32] {
	return rapid.SliceOfN(rapid.Int32Range(least, 2*skills-1), 0, size)
}

// A student's answers in any portions, his state kept or lost, of any earlier
// position: the same P and the same Before, which are those of training.
func TestStepsSayWhatTrainingSays(t *testing.T) {
	m := newModel(t)
	rapid.Check(t, func(t *rapid.T) {
		log := codesOf(0, 4*window).Draw(t, "log")
		want := trained(t, log)
		var kept []*infer.State
		for steps := rapid.IntRange(1, 12).Draw(t, "steps"); steps > 0; steps-- {
			from := rapid.IntRange(0, len(log)).Draw(t, "from")
			end := rapid.IntRange(from, len(log)).Draw(t, "end")
			var st *infer.State
			if len(kept) > 0 && rapid.Bool().Draw(t, "with a state") {
				st = rapid.SampledFrom(kept).Draw(t, "state")
			}
			s, need, ok := m.Advance(st, uint64(from), log[from:end])
			if !ok {
				if need > uint64(from) || need%window != 0 || from-int(need) > window {
					t.Fatalf("from %d to %d needs %d", from, end, need)
				}
				from = int(need)
				if s, need, ok = m.Advance(nil, need, log[from:end]); !ok {
					t.Fatalf("from %d, as needed, needs %d", from, need)
				}
			}
			run(t, m, s.Runs...)
			now, p, before, err := s.Result()
			if err != nil || now.Position != uint64(end) {
				t.Fatalf("at %d after %d: %v", now.Position, end, err)
			}
			if d := cmp.Diff(want[from:end], before); d != "" {
				t.Fatalf("from %d to %d: before: %s", from, end, d)
			}
			if d := cmp.Diff(whole(t, m, log[:end]), p); d != "" {
				t.Fatalf("from %d to %d: %s", from, end, d)
			}
			kept = append(kept, now)
		}
	})
}

// An answer to a skill that the model does not know has a position, and no more.
func TestUnknownSkillsHaveAPositionOnly(t *testing.T) {
	m := newModel(t)
	rapid.Check(t, func(t *rapid.T) {
		log := codesOf(infer.Unknown, 3*window).Draw(t, "log")
		var st *infer.State
		for k, code := range log {
			s, _, ok := m.Advance(st, uint64(k), []int32{code})
			if !ok {
				t.Fatalf("refused at %d", k)
			}
			run(t, m, s.Runs...)
			now, p, before, err := s.Result()
			if err != nil {
				t.Fatal(err)
			}
			last := log[k/window*window : k+1]
			known := slices.DeleteFunc(slices.Clone(last), func(c int32) bool { return c == infer.Unknown })
			if d := cmp.Diff(whole(t, m, known), p); d != "" {
				t.Fatalf("after %d: %s", k+1, d)
			}
			if said := before[0] >= 0; said != (code != infer.Unknown && len(known) > 1) {
				t.Fatalf("before %d of %v: %v", k, last, before)
			}
			st = now
		}
	})
}

// A state that another log has led to is not taken for this one's.
func TestAStateOfAnotherLogIsNotTaken(t *testing.T) {
	m := newModel(t)
	s, _, _ := m.Advance(nil, 0, []int32{1, 2, 3})
	run(t, m, s.Runs...)
	st, _, _, err := s.Result()
	if err != nil || m.StateBytes() < 4*2*2*11 {
		t.Fatalf("%d bytes, %v", m.StateBytes(), err)
	}
	again, _, ok := m.Advance(st, 0, []int32{1, 2, 4, 5})
	if !ok || len(again.Runs[0].In) != 4 {
		t.Errorf("%v, %d answers", ok, len(again.Runs[0].In))
	}
	if _, need, ok := m.Advance(st, 2, []int32{4, 5}); ok || need != 0 {
		t.Errorf("%v, needs %d", ok, need)
	}
	if on, _, ok := m.Advance(st, 2, []int32{3, 5}); !ok || len(on.Runs[0].In) != 1 {
		t.Errorf("its own log is not taken on: %v", ok)
	}
}

func TestModelsThatTakeMoreAreRefused(t *testing.T) {
	for _, s := range []kernels.Shape{
		{Skills: 2, Embed: 2, Hidden: 2, Layers: 1, Kinds: 4},
		{Skills: 2, Embed: 2, Hidden: 2, Layers: 1, Kinds: 4, Levels: 2},
	} {
		if _, err := infer.New(kernels.InitParams(s, 1), window, ""); err == nil {
			t.Errorf("%+v: taken", s)
		}
	}
	if _, err := infer.New(weights(), 1, ""); err == nil {
		t.Error("a window of 1 is taken")
	}
	m := newModel(t)
	if m.Skills() != skills || m.Window() != window || m.Path() != cpu.Best() || infer.Code(3, true) != 7 || infer.Code(3, false) != 6 {
		t.Errorf("%d skills, %d, %s, %d", m.Skills(), m.Window(), m.Path(), infer.Code(3, true))
	}
}
