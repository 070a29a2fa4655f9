package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt/feature"
)

// features lists feature sets: the newest of each pipeline, or all.
func (a *api) features(w http.ResponseWriter, r *http.Request) error {
	every := r.URL.Query().Get("all") != ""
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		sets := []*wire.FeatureSet{}
		for _, f := range v.FeatureSets(on) {
			if every || len(sets) == 0 || sets[len(sets)-1].Name != f.Name {
				sets = append(sets, f)
			}
		}
		return sets, nil
	})
}

// featureSet finds a set by its ID, or the newest of a pipeline by its name.
func (a *api) featureSet(ctx context.Context, id string) (*wire.FeatureSet, *lake.FeatureSet, error) {
	record, ok := a.State.Read().FeatureSet(nil, id)
	if !ok {
		return nil, nil, notFound("feature set, or pipeline with one,", id)
	}
	set, err := lake.ReadFeatureSet(ctx, a.Blobs, record.ID)
	return record, set, err
}

func (a *api) feature(w http.ResponseWriter, r *http.Request) error {
	record, set, err := a.featureSet(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	view := wire.FeatureSetView{
		FeatureSet: *record, Code: set.Code, Mask: set.Mask, Events: set.Events,
		Recent: set.Settings.Recent, GapSeconds: float64(set.Settings.Gap) / 1e6, Clock: set.Settings.Clock,
		AbilitySD: set.Fit.AbilitySD, DifficultyMean: set.Fit.DifficultyMean, DifficultySD: set.Fit.DifficultySD,
		FitStudents: set.Fit.Students, FitIterations: set.Fit.Iterations, FitConverged: set.Fit.Converged,
		Tables: []wire.FeatureTable{},
	}
	for _, t := range set.Tables {
		out := wire.FeatureTable{Name: t.Name, Keys: t.Keys, Rows: t.Rows}
		for _, c := range t.Columns {
			out.Columns = append(out.Columns, wire.FeatureColumn{Name: c.Name, Type: string(c.Type)})
		}
		for _, p := range t.Parts {
			out.Bytes += p.Bytes
		}
		view.Tables = append(view.Tables, out)
	}
	return answer(w, a.State.Read().Index(), view)
}

// maxEvents bounds a history that is asked for.
const maxEvents = 10_000

// featuresOf answers a student's rows: stored ones or, with the parameter cut,
// rows computed from his events before it; with events=N, his last N events too.
func (a *api) featuresOf(w http.ResponseWriter, r *http.Request) error {
	record, set, err := a.featureSet(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	cut, err := number(r, "cut", set.Cut, 1<<62)
	if err != nil {
		return err
	}
	last, err := number(r, "events", 0, maxEvents)
	if err != nil {
		return err
	}
	out := wire.StudentFeatures{Set: record.ID, Student: r.PathValue("student"), Cut: cut, Stored: cut == set.Cut}
	var rows []lake.StudentRows
	var seen []dataplane.Event
	if !out.Stored || last > 0 {
		if seen, err = a.history(r.Context(), set.Dataset, out.Student, cut); err != nil {
			return err
		}
	}
	if out.Stored {
		rows, err = lake.FeaturesOf(r.Context(), a.Blobs, set, out.Student)
	} else {
		rows, err = compute(set, out.Student, seen, cut)
	}
	if err != nil {
		return err
	}
	for _, t := range rows {
		out.Tables = append(out.Tables, rowsOf(t))
	}
	if len(out.Tables) == 0 || len(out.Tables[0].Rows) == 0 {
		return notFound("student", out.Student)
	}
	for _, e := range seen[max(0, len(seen)-int(last)):] {
		out.Events = append(out.Events, wire.FeatureEvent{Time: e.Time, Item: e.Item, Skill: e.Skill, Correct: e.Correct, ElapsedMS: e.Elapsed})
	}
	return answer(w, a.State.Read().Index(), out)
}

// history reads a student's events before a cut.
func (a *api) history(ctx context.Context, dataset, student string, cut int64) (events []dataplane.Event, err error) {
	m, err := lake.ReadManifest(ctx, a.Blobs, dataset)
	if err != nil {
		return nil, err
	}
	err = m.ReadStudent(ctx, a.Blobs, student, func(e dataplane.Event) error {
		if cut == feature.All || e.Time < cut {
			events = append(events, e)
		}
		return nil
	})
	return events, err
}

// compute makes a student's rows as the set's stage does.
func compute(set *lake.FeatureSet, student string, events []dataplane.Event, cut int64) ([]lake.StudentRows, error) {
	if set.Code != feature.Version {
		return nil, &wire.Error{Code: wire.CodeConflict, Message: fmt.Sprintf(
			"the set was made by version %d of the features, this binary has %d: run its pipeline again", set.Code, feature.Version)}
	}
	if len(events) == 0 {
		return nil, nil
	}
	s := feature.NewStudent(student, feature.Settings{Recent: set.Settings.Recent, Gap: set.Settings.Gap, Clock: set.Settings.Clock})
	for _, e := range events {
		s.Add(e)
	}
	return []lake.StudentRows{
		{Name: feature.Users, Rows: feature.UserTable([]feature.UserRow{s.Row(cut)})},
		{Name: feature.Skills, Rows: feature.SkillTable(s.Skills())},
	}, nil
}

// number reads a parameter in 0 … most; absent is what is given.
func number(r *http.Request, name string, absent, most int64) (int64, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return absent, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("%s %q is no whole number of 0 to %d", name, s, most)}
	}
	return n, nil
}

// rowsOf writes a table as JSON can hold it: NaN is null.
func rowsOf(t lake.StudentRows) wire.FeatureRows {
	out := wire.FeatureRows{Name: t.Name, Rows: [][]any{}}
	for k := range t.Rows.Columns {
		out.Columns = append(out.Columns, t.Rows.Columns[k].Name)
	}
	for row := range t.Rows.Rows() {
		var values []any
		for k := range t.Rows.Columns {
			v := t.Rows.Columns[k].Value(row)
			if f, ok := v.(float64); ok && f != f {
				v = nil
			}
			values = append(values, v)
		}
		out.Rows = append(out.Rows, values)
	}
	return out
}

func (a *api) featureDiff(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	x, from, err := a.featureSet(r.Context(), q.Get("a"))
	if err != nil {
		return err
	}
	y, to, err := a.featureSet(r.Context(), q.Get("b"))
	if err != nil {
		return err
	}
	tables, err := lake.Diff(r.Context(), a.Blobs, from, to)
	if err != nil {
		return err
	}
	out := wire.FeatureDiff{A: *x, B: *y, Tables: []wire.FeatureTableDiff{}}
	for _, t := range tables {
		d := wire.FeatureTableDiff{Name: t.Name, Added: t.Added, Removed: t.Removed, Changed: t.Changed, Same: t.Same, Columns: []wire.FeatureColumnDiff{}}
		for _, c := range t.Columns {
			d.Columns = append(d.Columns, wire.FeatureColumnDiff(c))
		}
		out.Tables = append(out.Tables, d)
	}
	return answer(w, a.State.Read().Index(), out)
}
