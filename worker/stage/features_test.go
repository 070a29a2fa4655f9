package stage

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt/feature"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

const (
	usHour = int64(3_600_000_000)
	usBase = 1_700_438_400 * int64(1_000_000) // 2023-11-20
)

// pupil is student k's masked id. All are in few parts of a dataset, as a file
// costs more to make than its rows here.
func pupil(k int) string {
	for n := 0; ; n++ {
		id := fmt.Sprintf("%032x", n*7919)
		if dataplane.StudentShard(id, dataplane.Parts) >= 2 {
			continue
		}
		if k == 0 {
			return id
		}
		k--
	}
}

// eventLog draws the answers of students over some days.
func eventLog(seed uint32, students, answers int) []dataplane.Event {
	var all []dataplane.Event
	for s := range students {
		now := usBase
		for k := range answers {
			w := kernels.Philox([2]uint32{seed, 9}, [4]uint32{uint32(s), uint32(k), 0, 0})
			now += int64(w[0] % 20 * w[0] % 20 * 600_000_000)
			all = append(all, dataplane.Event{
				Student: pupil(s), Time: now, ID: fmt.Sprint(k), Item: fmt.Sprintf("i%02d", w[1]%25), Skill: fmt.Sprintf("k%d", w[1]%25%6),
				Correct: w[2]%100 < 55+w[1]%25, Elapsed: int64(w[3] % 4 * w[3] % 9000),
			})
		}
	}
	return all
}

func (b *bench) dataset(events []dataplane.Event) string {
	b.t.Helper()
	c := lake.NewEvents()
	for _, e := range events {
		if err := c.Add(e); err != nil {
			b.t.Fatal(err)
		}
	}
	_, id, err := lake.WriteDataset(b.t.Context(), b.env.Blobs, c, "mask")
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// features runs the stage and reads its set.
func (b *bench) features(s wire.FeaturesSettings, in map[string]string) (*lake.FeatureSet, featured) {
	b.t.Helper()
	r, err := b.run(wire.StageFeatures, s, in)
	if err != nil {
		b.t.Fatal(err)
	}
	set, err := lake.ReadFeatureSet(b.t.Context(), b.env.Blobs, r.Outputs["features"])
	if err != nil {
		b.t.Fatal(err)
	}
	var told struct{ Features featured }
	if err := json.Unmarshal(r.Result, &told); err != nil {
		b.t.Fatal(err)
	}
	if r.Features == nil || r.Features.ID != r.Outputs["features"] || told.Features.ID != r.Features.ID || r.Features.Name != s.Name {
		b.t.Errorf("record %+v, result %+v", r.Features, told.Features)
	}
	return set, told.Features
}

// split has students on every side.
func split() wire.Split { return wire.Split{Test: 0.2, Valid: 0.1, Seed: 3} }

// goldenSet is the ID of the set below. It changes only with feature.Version,
// the manifest or the Parquet writer.
const goldenSet = "f1f963d1ef8b02e5d4f837995ce99fae7c1e1a43b2c5f072e48084257f712724"

var show = flag.Bool("show", false, "print the golden hash")

func TestTheSameEventsGiveTheSameSet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	events := eventLog(1, 40, 30)
	s := wire.FeaturesSettings{Name: "weekly", Split: split(), Cut: usBase + 15*usHour, Spec: wire.FeaturesSpec{Recent: 5, Gap: "20m"}}
	set, told := b.features(s, map[string]string{"dataset": b.dataset(events)})
	if *show {
		t.Log(told.ID)
	}
	if told.ID != goldenSet {
		t.Errorf("the set is %s, golden %s: raise feature.Version when this is meant", told.ID, goldenSet)
	}
	if !told.Clock || told.Students != 40 || told.Items != 25 || told.Skills != 6 || told.Kept != 0 || told.Events >= 1200 || told.Events < 300 || !told.Fit.Converged {
		t.Errorf("%+v", told)
	}
	if set.Settings.Gap != 20*60*1_000_000 || set.Settings.Recent != 5 || set.Mask != "mask" || told.Rows != set.Tables[0].Rows+set.Tables[1].Rows+set.Tables[2].Rows {
		t.Errorf("%+v, %+v", set.Settings, told)
	}
	last := b.seen[len(b.seen)-1]
	if last.Done != 1200 || last.Total != 1200 || !strings.Contains(last.Message, "items") {
		t.Errorf("last progress %+v", last)
	}
	slices.Reverse(events)
	other := newBench(t)
	s.Name = "another"
	if _, again := other.features(s, map[string]string{"dataset": other.dataset(events)}); again.ID != told.ID {
		t.Error("another order of events, and another pipeline's name, give another set")
	}
}

// online computes a student's rows from his own events alone.
func online(t interface{ Fatal(...any) }, b lake.Blobs, set *lake.FeatureSet, student string) []lake.StudentRows {
	m, err := lake.ReadManifest(context.Background(), b, set.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	s := feature.NewStudent(student, feature.Settings{Recent: set.Settings.Recent, Gap: set.Settings.Gap, Clock: set.Settings.Clock})
	err = m.ReadStudent(context.Background(), b, student, func(e dataplane.Event) error {
		if set.Cut == 0 || e.Time < set.Cut {
			s.Add(e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	users := []feature.UserRow{s.Row(set.Cut)}
	if users[0].Answers == 0 {
		users = nil
	}
	return []lake.StudentRows{{Name: feature.Users, Rows: feature.UserTable(users)}, {Name: feature.Skills, Rows: feature.SkillTable(s.Skills())}}
}

func TestOfflineIsOnline(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.dataset(eventLog(2, 30, 25))
	rapid.Check(t, func(r *rapid.T) {
		cut := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(usBase, usBase+45*usHour)).Draw(r, "cut")
		spec := wire.FeaturesSpec{Recent: rapid.IntRange(1, 9).Draw(r, "recent"), Gap: rapid.SampledFrom([]string{"", "5m", "2h"}).Draw(r, "gap")}
		set, _ := b.features(wire.FeaturesSettings{Cut: cut, Spec: spec, Split: split()}, map[string]string{"dataset": id})
		for range 5 {
			student := pupil(rapid.IntRange(0, 31).Draw(r, "student")) // two of them strangers
			offline, err := lake.FeaturesOf(context.Background(), b.env.Blobs, set, student)
			if err != nil {
				r.Fatal(err)
			}
			if d := cmp.Diff(offline, online(r, b.env.Blobs, set, student), exactly(), cmpopts.EquateEmpty()); d != "" {
				r.Fatalf("student %s at %d: %s", student, cut, d)
			}
		}
	})
}

// exactly compares floats by their bits, NaNs as one.
func exactly() cmp.Option {
	return cmp.Comparer(func(a, b float64) bool { return a == b && 1/a == 1/b || a != a && b != b })
}

func TestTheFutureMovesNothing(t *testing.T) {
	t.Parallel()
	events := eventLog(3, 20, 25)
	rapid.Check(t, func(r *rapid.T) {
		cut := rapid.Int64Range(usBase, usBase+35*usHour).Draw(r, "cut")
		var other []dataplane.Event
		for k, e := range events {
			if e.Time >= cut {
				switch rapid.IntRange(0, 4).Draw(r, "what") {
				case 0:
					continue // never happened
				case 1:
					e.Correct, e.Skill, e.Elapsed = !e.Correct, "unheard", 77
				case 2:
					e.Time, e.Item = cut+int64(k), "new"
				case 3:
					e.Student = pupil(rapid.IntRange(0, 25).Draw(r, "whose"))
				}
			}
			other = append(other, e)
		}
		b := newBench(t)
		s := wire.FeaturesSettings{Cut: cut, Split: split()}
		x, _ := b.features(s, map[string]string{"dataset": b.dataset(events)})
		y, _ := b.features(s, map[string]string{"dataset": b.dataset(other)})
		if d := cmp.Diff(x.Tables, y.Tables); d != "" || x.Fit != y.Fit || x.Events != y.Events || x.Students != y.Students || x.Settings != y.Settings {
			r.Fatalf("the future moved the past: %s\n%+v\n%+v", d, x, y)
		}
	})
}

func TestAnEarlierSetSavesWorkAndMovesNoBit(t *testing.T) {
	t.Parallel()
	events := eventLog(4, 40, 20)
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t)
		day := rapid.Int64Range(usBase, usBase+35*usHour).Draw(r, "day")
		late := rapid.IntRange(0, len(events)-1).Draw(r, "late") // an event of the past that came late
		var before []dataplane.Event
		for k, e := range events {
			if e.Time < day && k != late {
				before = append(before, e)
			}
		}
		if len(before) == 0 {
			return
		}
		cuts := rapid.SliceOfN(rapid.SampledFrom([]int64{0, day, day + 9*usHour}), 2, 2).Draw(r, "cuts")
		first := wire.FeaturesSettings{Cut: cuts[0], Split: split()}
		_, base := b.features(first, map[string]string{"dataset": b.dataset(before)})
		second := wire.FeaturesSettings{Cut: cuts[1], Split: split()}
		if rapid.Bool().Draw(r, "other_gap") {
			second.Spec.Gap = "1h"
		}
		in := map[string]string{"dataset": b.dataset(events)}
		_, cold := b.features(second, in)
		in["base"] = base.ID
		_, warm := b.features(second, in)
		if warm.ID != cold.ID {
			r.Fatalf("with the earlier set %s, without it %s", warm.ID, cold.ID)
		}
		if (second.Spec.Gap != "" || warm.Clock != base.Clock) && warm.Kept != 0 {
			r.Fatalf("%d students of a set made otherwise are kept", warm.Kept)
		}
		in["base"] = warm.ID
		if _, again := b.features(second, in); again.ID != cold.ID || again.Kept != cold.Students {
			r.Fatalf("nothing is new, yet %d of %d are kept", again.Kept, cold.Students)
		}
	})
}

func TestOnlyChangedStudentsAreComputed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	events := eventLog(5, 40, 20)
	_, base := b.features(wire.FeaturesSettings{}, map[string]string{"dataset": b.dataset(events)})
	more := append(slices.Clone(events), dataplane.Event{Student: events[0].Student, Time: usBase + 900*usHour, Item: "i01", Skill: "k1"})
	in := map[string]string{"dataset": b.dataset(more), "base": base.ID}
	if _, told := b.features(wire.FeaturesSettings{}, in); told.Kept != 39 {
		t.Errorf("%d of 40 students are kept, one is new", told.Kept)
	}
	// With another cut, after all events, rows are kept but for the times since.
	later, told := b.features(wire.FeaturesSettings{Cut: usBase + 1000*usHour}, in)
	if told.Kept != 39 {
		t.Errorf("%d of 40 students are kept at a later cut", told.Kept)
	}
	for _, student := range []string{events[0].Student, events[30].Student} {
		offline, err := lake.FeaturesOf(t.Context(), b.env.Blobs, later, student)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(offline, online(t, b.env.Blobs, later, student), exactly()); d != "" {
			t.Error(d)
		}
	}
	// A base that is gone, or no set at all, costs work, not the run.
	for name, id := range map[string]string{"gone": lake.Hash([]byte("gone")), "no_set": in["dataset"]} {
		in["base"] = id
		if _, again := b.features(wire.FeaturesSettings{Cut: usBase + 1000*usHour}, in); again.ID != told.ID || again.Kept != 0 {
			t.Errorf("%s: %+v", name, again)
		}
	}
	if !strings.Contains(b.log.String(), "earlier feature set is not used") {
		t.Errorf("no word of it in %q", b.log.String())
	}
}

// holed lacks some blobs.
type holed struct {
	lake.Blobs
	gone map[string]bool
}

func (h holed) Has(ctx context.Context, hash string) (bool, error) {
	if h.gone[hash] {
		return false, nil
	}
	return h.Blobs.Has(ctx, hash)
}

func (h holed) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	hash, n, err := h.Blobs.Put(ctx, r)
	delete(h.gone, hash)
	return hash, n, err
}

func TestAPartThatIsGoneIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := map[string]string{"dataset": b.dataset(eventLog(6, 40, 10))}
	base, told := b.features(wire.FeaturesSettings{}, in)
	in["base"] = told.ID
	hash := base.Table(feature.Skills).Parts[1].Hash
	gone := map[string]bool{hash: true}
	b.env.Blobs = holed{b.env.Blobs, gone}
	set, again := b.features(wire.FeaturesSettings{}, in)
	if again.ID != told.ID || again.Kept != 40 || set.Table(feature.Skills).Parts[1].Hash != hash || len(gone) > 0 {
		t.Errorf("%+v", again)
	}
}

func TestItemsAreFittedOnTrainingStudentsOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	events := eventLog(7, 30, 20)
	folds := lake.NewFolds("mask")
	other := slices.Clone(events)
	for k, e := range events {
		fold := int(sequence.StudentHash(e.Student) >> 40 % 5)
		if err := folds.Set(e.Student, fold); err != nil {
			t.Fatal(err)
		}
		if fold < 2 { // tested and validated on
			other[k].Correct, other[k].Item = !e.Correct, "only_theirs"
		}
	}
	table, err := lake.WriteFolds(t.Context(), b.env.Blobs, folds)
	if err != nil {
		t.Fatal(err)
	}
	s := wire.FeaturesSettings{Split: wire.Split{Test: 0, Valid: 1}}
	x, _ := b.features(s, map[string]string{"dataset": b.dataset(events), "folds": table})
	y, _ := b.features(s, map[string]string{"dataset": b.dataset(other), "folds": table})
	if d := cmp.Diff(x.Table(feature.Items), y.Table(feature.Items)); d != "" || x.Fit != y.Fit {
		t.Errorf("students who are held out move items: %s", d)
	}
	if x.Table(feature.Users).Parts[0] == y.Table(feature.Users).Parts[0] && x.Table(feature.Users).Parts[1] == y.Table(feature.Users).Parts[1] {
		t.Error("the test changes no student")
	}
	if x.Settings.Folds != table {
		t.Errorf("settings %+v", x.Settings)
	}
}

func TestWrongFeatureStagesAreNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	folds, err := lake.WriteFolds(t.Context(), b.env.Blobs, lake.NewFolds("mask"))
	if err != nil {
		t.Fatal(err)
	}
	id := b.dataset(eventLog(8, 3, 4))
	for name, c := range map[string]struct {
		spec  wire.FeaturesSpec
		folds string
		want  []string
	}{
		"gap":      {wire.FeaturesSpec{Gap: "long"}, "", []string{"features.gap", `"long"`}},
		"no_gap":   {wire.FeaturesSpec{Gap: "0s"}, "", []string{"features", "gap"}},
		"recent":   {wire.FeaturesSpec{Recent: -1}, "", []string{"recent", "-1"}},
		"no_folds": {wire.FeaturesSpec{}, folds, []string{"3 of 3 students", "fold"}},
	} {
		_, err := b.run(wire.StageFeatures, wire.FeaturesSettings{Spec: c.spec}, map[string]string{"dataset": id, "folds": c.folds})
		if _, ok := errors.AsType[*source.InputError](err); !ok {
			t.Errorf("%s: %v (%T), want an input error", name, err, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not name %s", name, err, want)
			}
		}
	}
	if _, err := b.run(wire.StageFeatures, wire.FeaturesSettings{}, map[string]string{"dataset": lake.Hash(nil)}); !errors.Is(err, lake.ErrNotFound) {
		t.Error(err)
	}
	empty, told := b.features(wire.FeaturesSettings{Cut: 5}, map[string]string{"dataset": id})
	if told.Students != 0 || told.Rows != 0 || told.Clock || empty.Events != 0 {
		t.Errorf("before all events there are %+v", told)
	}
}

// Real data beside the repository; its licence keeps it out of it.
func TestAssist2009(t *testing.T) {
	t.Parallel()
	const path = "../../../shared/data/assist2009_events.csv.gz"
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no %s: real data is not part of the repository", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	events := lake.NewEvents()
	_, err = source.ReadCSV(t.Context(), f, source.CSVOptions{
		File: "assist2009", Mask: source.NewMasker([]byte("key")),
		Columns: wire.Columns{Student: "user_id", Item: "problem_id", Skill: "skill_id", Correct: wire.Correct{Column: "correct"}, Time: "order_id"},
	}, events.Add)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	_, id, err := lake.WriteDataset(t.Context(), b.env.Blobs, events, "m")
	if err != nil {
		t.Fatal(err)
	}
	set, told := b.features(wire.FeaturesSettings{Name: "assist", Split: split()}, map[string]string{"dataset": id})
	t.Logf("%+v", told)
	if told.Clock || told.Students != 4150 || told.Skills != 110 || !told.Fit.Converged {
		t.Errorf("%+v", told)
	}
	answers := int64(0)
	for k := range dataplane.Parts {
		users, err := set.Table(feature.Users).Read(t.Context(), b.env.Blobs, k)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range users.Column("answers").Ints {
			answers += n
		}
	}
	if answers != 274_561 { // as the combined shards have it
		t.Errorf("%d answers", answers)
	}
}
