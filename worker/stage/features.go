package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt/feature"
	"cohort/dkt/sequence"
)

// featured is a features stage's result.
type featured struct {
	ID       string       `json:"id"`
	Events   int64        `json:"events"` // seen
	Students int64        `json:"students"`
	Items    int64        `json:"items"`
	Skills   int          `json:"skills"`
	Rows     int64        `json:"rows"` // of all tables
	Cut      int64        `json:"cut,omitempty"`
	Clock    bool         `json:"clock"` // false: times only order answers, what needs a clock is absent
	Kept     int64        `json:"kept"`  // students taken over from the earlier set, whose events are the same
	Fit      lake.ItemFit `json:"fit"`
}

// featurer makes a feature set of a dataset.
type featurer struct {
	env    Env
	s      wire.FeaturesSettings
	how    feature.Settings
	m      *lake.Manifest
	set    *lake.FeatureSet
	base   *lake.FeatureSet // an earlier set made in the same way; nil: none
	train  func(student string) bool
	items  *feature.Collector
	skills map[string]bool
	read   int64 // events, for progress
	kept   int64

	unknown int    // students without a fold
	example string // one of them
}

func runFeatures(ctx context.Context, env Env, st wire.Stage) (r wire.TaskResult, err error) {
	s, err := settings[wire.FeaturesSettings](st)
	if err != nil {
		return r, err
	}
	f := &featurer{env: env, s: s, items: feature.NewCollector(), skills: map[string]bool{}}
	if err := f.open(ctx, st.Inputs); err != nil {
		return r, err
	}
	if err := f.students(ctx); err != nil {
		return r, err
	}
	if err := f.fit(ctx); err != nil {
		return r, err
	}
	id, err := lake.WriteFeatures(ctx, env.Blobs, f.set)
	if err != nil {
		return r, fmt.Errorf("write features: %w", err)
	}
	out := f.result(id)
	r.Outputs = map[string]string{"features": id}
	r.Features = &wire.FeatureSet{ID: id, Name: s.Name, Dataset: f.set.Dataset, Cut: s.Cut, Students: out.Students, Items: out.Items}
	r.Result, err = result("features", out)
	env.Logger.Info("features made", "events", out.Events, "students", out.Students, "kept", out.Kept, "items", out.Items,
		"clock", out.Clock, "fit_iterations", out.Fit.Iterations, "fit_converged", out.Fit.Converged, "features", id)
	return r, err
}

// open reads what the set is made of.
func (f *featurer) open(ctx context.Context, in map[string]string) (err error) {
	if f.how, err = howOf(f.s.Spec); err != nil {
		return err
	}
	if f.m, err = lake.ReadManifest(ctx, f.env.Blobs, in["dataset"]); err != nil {
		return err
	}
	if f.train, err = f.training(ctx, in["folds"]); err != nil {
		return err
	}
	if f.how.Clock, err = f.clock(ctx); err != nil {
		return err
	}
	f.set = &lake.FeatureSet{
		Code: feature.Version, Dataset: in["dataset"], Mask: f.m.Mask, Cut: f.s.Cut,
		Settings: lake.FeatureSettings{
			Recent: f.how.Recent, Gap: f.how.Gap, Clock: f.how.Clock,
			Folds: in["folds"], Test: f.s.Split.Test, Valid: f.s.Split.Valid, Seed: f.s.Split.Seed,
		},
	}
	for _, p := range f.m.Parts {
		f.set.Sources = append(f.set.Sources, p.Hash)
	}
	return f.earlier(ctx, in["base"])
}

// howOf fills in the defaults of a specification.
func howOf(spec wire.FeaturesSpec) (feature.Settings, error) {
	how := feature.Settings{Recent: spec.Recent, Gap: feature.DefaultGap}
	if how.Recent == 0 {
		how.Recent = feature.DefaultRecent
	}
	if spec.Gap != "" {
		gap, err := time.ParseDuration(spec.Gap)
		if err != nil {
			return how, inputf("features.gap is %q, want a duration such as 30m", spec.Gap)
		}
		how.Gap = gap.Microseconds()
	}
	if err := how.Validate(); err != nil {
		return how, inputf("features: %v", err)
	}
	return how, nil
}

// seen reports whether an event is before the cut.
func (f *featurer) seen(e *dataplane.Event) bool { return f.s.Cut == feature.All || e.Time < f.s.Cut }

// clock looks at the first part with events that are seen: a fair sample, as
// students are dealt to parts by hash.
func (f *featurer) clock(ctx context.Context) (bool, error) {
	var c feature.Clock
	for k := 0; k < len(f.m.Parts) && c.Seen() == 0; k++ {
		err := f.m.ReadPart(ctx, f.env.Blobs, k, func(e dataplane.Event) error {
			if f.seen(&e) {
				c.Add(e.Time)
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return c.IsClock(), nil
}

// training tells the students that items are fitted on.
func (f *featurer) training(ctx context.Context, folds string) (func(student string) bool, error) {
	split := f.s.Split
	if folds == "" {
		return func(student string) bool {
			return sequence.PartByHash(student, split.Seed, split.Test, split.Valid) == sequence.Train
		}, nil
	}
	table, err := lake.ReadFolds(ctx, f.env.Blobs, folds)
	if err != nil {
		return nil, err
	}
	return func(student string) bool {
		fold, ok := table.Fold(student)
		if !ok {
			f.unknown, f.example = f.unknown+1, student
		}
		return ok && sequence.PartByFold(fold, int(split.Test), int(split.Valid)) == sequence.Train
	}, nil
}

// earlier takes a base that was made in the same way. One that is gone or not
// readable costs time, not the run.
func (f *featurer) earlier(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	base, err := lake.ReadFeatureSet(ctx, f.env.Blobs, id)
	switch {
	case errors.Is(err, lake.ErrNotFound), errors.Is(err, lake.ErrCorrupt):
		f.env.Logger.Warn("the earlier feature set is not used: all students are computed", "features", id, "error", err)
		return nil
	case err != nil:
		return err
	}
	a, b := base.Settings, f.set.Settings
	if base.Code == f.set.Code && base.Mask == f.set.Mask && len(base.Sources) == len(f.set.Sources) &&
		a.Recent == b.Recent && a.Gap == b.Gap && a.Clock == b.Clock &&
		base.Table(feature.Users) != nil && base.Table(feature.Skills) != nil {
		f.base = base
	}
	return nil
}

// fit makes the table of items of the training students. It starts afresh, as
// one that started from an earlier fit would end in other bits.
func (f *featurer) fit(ctx context.Context) error {
	rows, fit, err := f.items.Fit(ctx, func(iteration int) {
		f.env.Progress(wire.Progress{Message: fmt.Sprintf("fitting items, iteration %d", iteration), Done: f.read, Total: f.m.Events})
	})
	if err != nil {
		return err
	}
	if !fit.Converged && fit.Items > 0 {
		f.env.Logger.Warn("item difficulties still moved when the fit ended", "iterations", fit.Iterations)
	}
	f.set.Fit = lake.ItemFit(fit)
	table := feature.ItemTable(rows)
	return f.set.NewTable(feature.Items, []string{"item"}, table).Write(ctx, f.env.Blobs, table)
}

func (f *featurer) result(id string) featured {
	out := featured{
		ID: id, Events: f.set.Events, Students: f.set.Students, Items: f.set.Table(feature.Items).Rows, Skills: len(f.skills),
		Cut: f.s.Cut, Clock: f.how.Clock, Kept: f.kept, Fit: f.set.Fit,
	}
	for _, t := range f.set.Tables {
		out.Rows += t.Rows
	}
	return out
}
