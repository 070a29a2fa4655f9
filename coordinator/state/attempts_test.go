package state_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func tried(student, id string) wire.Attempt {
	return wire.Attempt{ID: id, Student: student, Skill: "s1", Correct: true}
}

func (l *log) seal(first, last uint64) wire.Outcome {
	return l.apply(wire.CmdSealAttempts, wire.SealAttempts{Segment: wire.AttemptSegment{First: first, Last: last, Hash: fmt.Sprint("h", first)}})
}

func TestAnAttemptCountsOnceByItsStudentAndID(t *testing.T) {
	l := newLog(t)
	l.must(wire.CmdAppendAttempts, wire.AppendAttempts{Attempts: []wire.Attempt{tried("ann", "1"), tried("bob", "1"), tried("ann", "1")}})
	index, changed := l.index, l.s.Changed()
	l.must(wire.CmdAppendAttempts, wire.AppendAttempts{Attempts: []wire.Attempt{tried("ann", "1"), tried("ann", "2")}})
	select {
	case <-changed:
		t.Error("attempts wake whoever waits for something to decide on")
	default:
	}
	v := l.s.Read()
	if got, ok := v.Logged("ann", "1"); !ok || got != (wire.Logged{Seq: 1, Index: index}) {
		t.Errorf("the first attempt is at %+v, %t", got, ok)
	}
	if _, ok := v.Logged("bob", "2"); ok {
		t.Error("another student's id is known")
	}
	tail := v.AttemptTail(0)
	if len(tail) != 3 || tail[1].Student != "bob" || tail[2].Seq != 3 {
		t.Fatalf("tail %+v", tail)
	}
	for k := range tail[1:] {
		if tail[k].Time >= tail[k+1].Time {
			t.Errorf("attempts without a time are at %d and %d", tail[k].Time, tail[k+1].Time)
		}
	}
	if of := v.AttemptsOf("ann"); len(of) != 2 || of[0].Seq != 1 || of[1].Seq != 3 || len(v.AttemptsOf("an")) != 0 {
		t.Errorf("ann's attempts %+v", of)
	}
	if out := l.apply(wire.CmdAppendAttempts, wire.AppendAttempts{Attempts: []wire.Attempt{tried("cy", "1"), {Student: "cy", Skill: "s"}}}); out.Code != wire.CodeInvalid {
		t.Errorf("an attempt without an id: %+v", out)
	}
	if got := l.s.Read().AttemptLog(); got.Last != 3 || got.Oldest == 0 {
		t.Errorf("a refused command changed the log: %+v", got)
	}
}

func TestSealingMovesTheStartOfTheTail(t *testing.T) {
	l := newLog(t)
	for k := range 5 {
		l.must(wire.CmdAppendAttempts, wire.AppendAttempts{Attempts: []wire.Attempt{tried("ann", fmt.Sprint(k))}})
	}
	second := l.now
	for _, bad := range [][2]uint64{{2, 3}, {1, 6}, {1, 0}} {
		if out := l.seal(bad[0], bad[1]); out.Code == wire.OK {
			t.Errorf("sealed from %d to %d", bad[0], bad[1])
		}
	}
	if out := l.seal(1, 4); out.Code != wire.OK {
		t.Fatal(out.Error)
	}
	v := l.s.Read()
	if got := v.AttemptLog(); got.Sealed != 4 || got.Last != 5 || got.Known != 4 || got.Oldest != second {
		t.Errorf("log %+v, want the oldest at %d", got, second)
	}
	if at, ok := v.Logged("ann", "2"); !ok || at != (wire.Logged{Seq: 3}) {
		t.Errorf("a sealed attempt is at %+v, %t", at, ok)
	}
	if out := l.seal(5, 5); out.Code != wire.OK || l.s.Read().AttemptLog().Oldest != 0 {
		t.Errorf("%+v, %+v", out, l.s.Read().AttemptLog())
	}
	v = l.s.Read()
	for after, want := range map[uint64]int{0: 2, 2: 2, 4: 1, 5: 0, 9: 0} {
		if got := v.AttemptSegments(after); len(got) != want {
			t.Errorf("after %d: %+v", after, got)
		}
	}
}

func TestTheOldestSealedIDsAreForgotten(t *testing.T) {
	l := newLog(t)
	const piece = 5_000
	name := func(n uint64) string { return fmt.Sprint("id", n) }
	for n := range uint64(state.KeepKnown/piece + 2) {
		batch := make([]wire.Attempt, piece)
		for k := range batch {
			batch[k] = tried("ann", name(n*piece+uint64(k)+1))
		}
		l.must(wire.CmdAppendAttempts, wire.AppendAttempts{Attempts: batch})
		if out := l.seal(n*piece+1, (n+1)*piece); out.Code != wire.OK {
			t.Fatal(out.Error)
		}
	}
	v := l.s.Read()
	last := v.AttemptLog().Last
	for seq, want := range map[uint64]bool{1: false, last - state.KeepKnown + 1: true, last/2 + 7: true, last: true} {
		if at, ok := v.Logged("ann", name(seq)); ok != want || ok && at.Seq != seq {
			t.Errorf("attempt %d: %+v, %t", seq, at, ok)
		}
	}
	if n := v.AttemptLog().Known; n < state.KeepKnown || n > state.KeepKnown*3/2 {
		t.Errorf("%d are known", n)
	}
}

// Whatever is sent twice, by whichever leader, between snapshots, restores and
// seals: each attempt is in the log once, positions have no gap, and the states
// of a replica that replays and of one that restores are the same.
func TestAttemptsAreAppliedExactlyOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := newLog(t)
		replayed := &log{t: t, s: state.New(), index: l.index, now: l.now}
		both := func(n wire.Number, body any) wire.Outcome {
			if d := cmp.Diff(l.apply(n, body), replayed.apply(n, body)); d != "" {
				r.Fatalf("replicas answer differently: %s", d)
			}
			return wire.Outcome{}
		}
		sent, order := map[string]bool{}, []string{}
		var sealed []wire.Attempt
		r.Repeat(map[string]func(*rapid.T){
			"append, some again": func(r *rapid.T) {
				var c wire.AppendAttempts
				for range rapid.IntRange(1, 6).Draw(r, "attempts") {
					a := tried(rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(r, "student"), fmt.Sprint(rapid.IntRange(0, 30).Draw(r, "id")))
					c.Attempts = append(c.Attempts, a)
					if name := a.Student + "/" + a.ID; !sent[name] {
						sent[name], order = true, append(order, name)
					}
				}
				both(wire.CmdAppendAttempts, c)
			},
			"seal": func(r *rapid.T) {
				tail := l.s.Read().AttemptTail(rapid.IntRange(1, 8).Draw(r, "most"))
				if len(tail) == 0 {
					return
				}
				both(wire.CmdSealAttempts, wire.SealAttempts{Segment: wire.AttemptSegment{First: tail[0].Seq, Last: tail[len(tail)-1].Seq, Hash: "h"}})
				sealed = append(sealed, tail...)
			},
			"crash": func(r *rapid.T) {
				var b bytes.Buffer
				if _, err := l.s.Read().WriteTo(&b); err != nil {
					r.Fatal(err)
				}
				l.s = state.New()
				if err := l.s.Restore(&b); err != nil {
					r.Fatal(err)
				}
			},
			"": func(r *rapid.T) {
				v := l.s.Read()
				if v.Hash() != replayed.s.Read().Hash() {
					r.Fatal("a restored state differs from a replayed one")
				}
				var got []string
				for k, a := range append(slices.Clip(sealed), v.AttemptTail(0)...) {
					if a.Seq != uint64(k)+1 {
						r.Fatalf("attempt %d has position %d", k, a.Seq)
					}
					got = append(got, a.Student+"/"+a.ID)
				}
				if d := cmp.Diff(order, got); len(order)+len(got) > 0 && d != "" {
					r.Fatalf("the log is not what was sent: %s", d)
				}
			},
		})
	})
}
