package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// attemptLog is a log that seals what it is given.
type attemptLog struct {
	t        *testing.T
	blobs    lake.Blobs
	last     uint64
	waits    []wire.Attempt
	segments []wire.AttemptSegment
}

func (l *attemptLog) add(student, id, skill string, right bool) {
	l.last++
	l.waits = append(l.waits, wire.Attempt{Seq: l.last, Student: student, ID: id, Skill: skill, Correct: right, Time: int64(l.last) * 1000, Elapsed: 5})
}

func (l *attemptLog) seal(ctx context.Context, after uint64) (found []wire.AttemptSegment, err error) {
	if len(l.waits) > 0 {
		s, err := lake.WriteAttempts(ctx, l.blobs, l.waits)
		if err != nil {
			return nil, err
		}
		l.segments, l.waits = append(l.segments, s), nil
	}
	for _, s := range l.segments {
		if s.Last > after {
			found = append(found, s)
		}
	}
	return found, nil
}

// ids are the events of a dataset, by ID.
func (b *bench) ids(dataset string) map[string]int {
	b.t.Helper()
	all := map[string]int{}
	err := lake.ReadEvents(b.t.Context(), b.env.Blobs, dataset, func(e dataplane.Event) error {
		if len(e.Student) != 32 || e.Elapsed != 5 {
			b.t.Errorf("event %+v", e)
		}
		all[e.ID]++
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func TestAnExtractionOfTheAttemptLogReadsEachAttemptOnce(t *testing.T) {
	b := newBench(t)
	l := &attemptLog{t: t, blobs: b.env.Blobs}
	b.env.Attempts = l.seal
	s := wire.ExtractSettings{ImportSettings: wire.ImportSettings{Name: "school", Columns: wire.AttemptColumns()}, Source: wire.SourceSpec{Kind: wire.SourceAttempts}}
	if _, _, err := b.lakeRun(s, "", "", ""); err == nil || !strings.Contains(err.Error(), "the attempt log: no events") {
		t.Errorf("an empty log: %v", err)
	}
	base, last := "", ""
	for n := range 3 {
		for k := range 4 {
			l.add([]string{"ann", "bob"}[k%2], fmt.Sprint(n*4+k), "s1", k < 2)
		}
		r, plan, err := b.lakeRun(s, base, last, "")
		if err != nil {
			t.Fatal(err)
		}
		base, last = r.Outputs["extraction"], plan
		got := b.ids(r.Outputs["dataset"])
		for k := range l.last {
			if got[fmt.Sprint(k)] != 1 || len(got) != int(l.last) {
				t.Fatalf("after %d attempts: %v", l.last, got)
			}
		}
		full, _, err := b.lakeRun(s, "", "", "")
		if err != nil || full.Outputs["dataset"] != r.Outputs["dataset"] {
			t.Errorf("in full %v, by increments %v: %v", full.Outputs, r.Outputs, err)
		}
	}
	if _, same, err := b.lakeRun(s, base, last, ""); !errors.Is(err, ErrReused) || same != last {
		t.Errorf("with nothing new: %q, %v", same, err)
	}
	text, err := lake.ReadPlan(t.Context(), b.env.Blobs, last)
	if err != nil || strings.Contains(string(text.Source), "ann") || !strings.Contains(string(text.Source), `"first":9`) {
		t.Errorf("plan %s, %v", text.Source, err)
	}
	// A log that was begun anew is not taken for the one before.
	l.last, l.segments = 20, nil
	l.add("ann", "x", "s1", true)
	var fault *source.InputError
	if _, _, err := b.lakeRun(s, base, last, ""); !errors.As(err, &fault) || !strings.Contains(err.Error(), "goes on at 21") {
		t.Errorf("another log: %v", err)
	}
	b.env.Attempts = nil
	if _, _, err := b.lakeRun(s, "", "", ""); !errors.As(err, &fault) {
		t.Errorf("a worker without the log: %v", err)
	}
}
