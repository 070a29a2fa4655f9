package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/wire"
)

func indexed(seq uint64, student string) wire.Attempt {
	return wire.Attempt{Seq: seq, Student: student, ID: fmt.Sprint("id", seq), Skill: fmt.Sprint("s", seq%3), Correct: seq%2 == 0}
}

// Both indexes say the same, whatever the students are called.
func TestIndexesAgree(t *testing.T) {
	disk, err := openIndex(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer disk.close() //nolint:errcheck // of the test's folder
	students := []string{"a", "ab", "a\x01", "ä", "a\xff", "b"}
	rapid.Check(t, func(r *rapid.T) {
		if err := disk.reset(); err != nil {
			r.Fatal(err)
		}
		inMemory := newMemory()
		want := map[string][]wire.Attempt{}
		var log []wire.Attempt
		for seq := range uint64(rapid.IntRange(1, 40).Draw(r, "attempts")) {
			a := indexed(seq+1, rapid.SampledFrom(students).Draw(r, "student"))
			log = append(log, a)
			want[a.Student] = append(want[a.Student], a)
		}
		cut := rapid.IntRange(0, len(log)).Draw(r, "cut")
		for _, x := range []index{disk, inMemory} {
			if x.add(log[:cut]) != nil || x.add(log) != nil { // the first again
				r.Fatal("add")
			}
			if err := x.add([]wire.Attempt{indexed(uint64(len(log))+2, "a")}); err == nil {
				r.Fatal("a gap was taken")
			}
			for _, s := range students {
				n, through, err := x.stand(s)
				if err != nil || n != uint64(len(want[s])) || through != uint64(len(log)) {
					r.Fatalf("%q stands at %d of %d, through %d: %v", s, n, len(want[s]), through, err)
				}
				var steps []wire.StepAttempt
				for k, a := range want[s] {
					steps = append(steps, wire.StepAttempt{Skill: a.Skill, Correct: a.Correct})
					seq, ok, err := x.seq(s, a.ID)
					place, err2 := x.place(s, a.Seq)
					if !ok || seq != a.Seq || place != uint64(k) || err != nil || err2 != nil {
						r.Fatalf("%q %s: at %d, place %d", s, a.ID, seq, place)
					}
				}
				from := uint64(rapid.IntRange(0, len(steps)).Draw(r, "from"))
				got, err := x.window(s, from, n)
				if d := cmp.Diff(steps[from:], got); err != nil || len(got) > 0 && d != "" || uint64(len(got)) != n-from {
					r.Fatalf("%q from %d: %v %s", s, from, err, d)
				}
				if _, err := x.window(s, 0, n+1); err == nil {
					r.Fatal("more than there is")
				}
				if _, ok, _ := x.seq(s, "id0"); ok {
					r.Fatal("an id that is not there")
				}
			}
		}
	})
}

// An index that is lost, damaged, or of another log is made anew from the segments.
func TestALostIndexIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "attempts.db")
	if err := os.WriteFile(path, make([]byte, 1<<15), 0o600); err != nil {
		t.Fatal(err)
	}
	o := newOffice(t, dir)
	f := newFake(t)
	o.deploy(deployed(routes(100), []*fake{f}))
	var before wire.AttemptsReply
	for k := range 6 {
		_, before = o.attempt("ann", fmt.Sprint(k), "s1", k%2 == 0)
	}
	if err := o.seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	history := []wire.StepAttempt{}
	for k := range 6 {
		history = append(history, wire.StepAttempt{Skill: "s1", Correct: k%2 == 0})
	}
	for _, c := range []struct {
		name  string
		spoil func() error
	}{
		{"lost", o.index.reset},
		{"of another log", func() error {
			var all []wire.Attempt
			for seq := range uint64(50) {
				all = append(all, indexed(seq+1, "ann"))
			}
			return o.index.add(all)
		}},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		f.forget()
		if _, after := o.attempt("ann", "5", "s1", false); !cmp.Equal(before, after) {
			t.Errorf("%s: %s", c.name, cmp.Diff(before, after))
		}
		history = append(history, wire.StepAttempt{Skill: "s1", Correct: true})
		if _, next := o.attempt("ann", c.name, "s1", true); !cmp.Equal(next.P, replay(history)) {
			t.Errorf("%s, then one more: %s", c.name, cmp.Diff(replay(history), next.P))
		}
	}
}

// An attempt is known for as long as the log is, not only while the state knows it.
func TestTheIndexKnowsEveryAttempt(t *testing.T) {
	o := newOffice(t, "")
	o.attempt("ann", "1", "s1", true)
	if err := o.seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	commands := o.changed.Load()
	o.attempt("ann", "1", "s1", true)
	if o.changed.Load() != commands {
		t.Error("a sealed attempt was sent to the log again")
	}
}

func TestTheTailIsSealedWhenItIsLongOrOldOrAskedFor(t *testing.T) {
	o := newOffice(t, "")
	all := make([]wire.Attempt, sealLength+1)
	for k := range all {
		all[k] = wire.Attempt{ID: fmt.Sprint(k), Student: "ann", Skill: "s1"}
	}
	if _, err := o.append(t.Context(), all[:sealLength]); err != nil {
		t.Fatal(err)
	}
	o.sealDue(t.Context())
	if l := o.State.Read().AttemptLog(); l.Sealed != 0 {
		t.Fatalf("sealed too early: %+v", l)
	}
	if _, err := o.append(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	o.sealDue(t.Context())
	if l := o.State.Read().AttemptLog(); l.Sealed != sealLength+1 || len(o.State.Read().AttemptSegments(0)) != 3 {
		t.Fatalf("not sealed: %+v", l)
	}
	o.mu.Lock()
	o.now = -2 * time.Hour.Milliseconds()
	o.mu.Unlock()
	o.attempt("bob", "1", "s1", true)
	o.sealDue(t.Context())
	if l := o.State.Read().AttemptLog(); l.Sealed != l.Last {
		t.Errorf("old attempts are not sealed: %+v", l)
	}
	o.attempt("bob", "2", "s1", true)
	status, text, _ := o.send(fmt.Sprint("/v1/attempts/seal?after=", sealLength+2), "")
	if status != 200 || len(text) == 0 || o.State.Read().AttemptLog().Sealed != sealLength+3 {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := o.send("/v1/attempts/seal?after=x", ""); status != 400 {
		t.Errorf("a wrong position: %d", status)
	}
}
