package quality_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/quality"
	"cohort/dataplane/source"
)

// shared is real data beside the repository; its licence keeps it out of it.
const shared = "../../../shared/data/"

// readReal reads a file of real answers.
func readReal(t *testing.T, name string, c wire.Columns) ([]history, quality.Input) {
	t.Helper()
	f, err := os.Open(shared + name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no %s: real data is not part of the repository; beside it go test and make cover run this", shared+name)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // read only
	var all []dataplane.Event
	stats, err := source.ReadCSV(t.Context(), f, source.CSVOptions{File: name, Mask: source.NewMasker([]byte("key")), Columns: c},
		func(e dataplane.Event) error { all = append(all, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, dataplane.Compare)
	var students []history
	for k, e := range all {
		if k == 0 || e.Student != all[k-1].Student {
			students = append(students, nil)
		}
		students[len(students)-1] = append(students[len(students)-1], e)
	}
	in := quality.Input{Name: name, Columns: c, Spec: wire.DefaultValidate(), Counts: quality.Counts{Rows: stats.Rows, Kept: stats.Kept}}
	for _, d := range stats.Dropped {
		in.Counts.Dropped = append(in.Counts.Dropped, quality.Drop(d))
	}
	return students, in
}

func assist(t *testing.T) ([]history, quality.Input) {
	unraced(t)
	return readReal(t, "assist2009_events.csv.gz", wire.Columns{
		Student: "user_id", Item: "problem_id", Skill: "skill_id", Correct: wire.Correct{Column: "correct"}, Time: "order_id", ID: "order_id",
	})
}

func mofacts(t *testing.T) ([]history, quality.Input) {
	unraced(t)
	return readReal(t, "mofacts_stats_events.csv.gz", wire.Columns{
		Student: "Anon.Student.Id", Item: "Problem.Name", Skill: "KC..Default.", Time: "CF..Response.Time.", TimeUnit: "ms",
		Correct: wire.Correct{Column: "Outcome", Right: "CORRECT", Wrong: "INCORRECT", Drop: []string{"STUDY"}},
	})
}

func text(t *testing.T, r *quality.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRealDataPasses(t *testing.T) {
	now := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, load := range map[string]func(*testing.T) ([]history, quality.Input){"assist2009": assist, "mofacts": mofacts} {
		t.Run(name, func(t *testing.T) {
			all, in := load(t)
			in.At = now.UnixMilli()
			r, p := check(t, in, all)
			t.Log("\n" + text(t, r))
			if r.Clock.Is != (name == "mofacts") {
				t.Error(r.Clock)
			}
			if !r.OK || r.QuarantinedEvents() != 0 {
				t.Errorf("%+v: %s", r.Quarantined, r.Failure)
			}
			data, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("a profile of %d bytes", len(data))
		})
	}
}

// Of random halves of real students, by student, at most 1 in 100 alarms.
func TestHalvesOfRealStudentsAlarmInOneOfAHundredAtMost(t *testing.T) {
	for name, c := range map[string]struct {
		load         func(*testing.T) ([]history, quality.Input)
		students     int // of a half
		draws, limit int
	}{
		"assist2009-all":      {load: assist, students: 2075, draws: 10, limit: 2},
		"assist2009-hundreds": {load: assist, students: 150, draws: 100, limit: 5},
		"mofacts":             {load: mofacts, students: 60, draws: 200, limit: 8},
	} {
		t.Run(name, func(t *testing.T) {
			all, in := c.load(t)
			in.At = time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
			n := 0
			for seed := range uint64(drawn(c.draws)) {
				order := rand.New(rand.NewPCG(seed, 5)).Perm(len(all))
				var ref, cand []history
				for k, o := range order[:2*c.students] {
					if k%2 == 0 {
						ref = append(ref, all[o])
					} else {
						cand = append(cand, all[o])
					}
				}
				_, accepted := check(t, in, ref)
				_, p := check(t, in, cand)
				if alarms(quality.Compare(accepted, p)) {
					n++
				}
			}
			t.Logf("%d alarms in %d draws of two times %d students", n, c.draws, c.students)
			if n > c.limit {
				t.Errorf("%d alarms in %d draws of two times %d students", n, c.draws, c.students)
			}
		})
	}
}

// unraced leaves real data to the run without the race detector.
func unraced(t *testing.T) {
	t.Helper()
	if raced {
		t.Skip("real data is read without the race detector, by make cover: one goroutine, nothing for it to find")
	}
}
