package stage

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/quality"
)

// GateError says that a dataset or a model is not good enough. Nothing is broken,
// and no retry helps.
type GateError struct{ Text string }

func (e *GateError) Error() string { return e.Text }

// validated is a validation's result.
type validated struct {
	OK          bool   `json:"ok"`
	Failure     string `json:"failure,omitempty"`
	Events      int64  `json:"events"`
	Quarantined int64  `json:"quarantined"`
	Rejected    int64  `json:"rejected"`
	Dataset     string `json:"dataset,omitempty"`
}

// validator checks an extraction and parts what is not to be learnt from.
type validator struct {
	env   Env
	s     wire.ValidateSettings
	in    map[string]string
	made  *lake.Extraction
	check *quality.Check
	out   map[string]string
}

func runValidate(ctx context.Context, env Env, st wire.Stage) (r wire.TaskResult, err error) {
	s, err := settings[wire.ValidateSettings](st)
	if err != nil {
		return r, err
	}
	v := &validator{env: env, s: s, in: st.Inputs, out: map[string]string{}}
	r.Outputs = v.out
	if v.made, err = lake.ReadExtraction(ctx, env.Blobs, v.in["extraction"]); err != nil {
		return r, err
	}
	if err := v.begin(ctx); err != nil {
		return r, err
	}
	report, profile, err := v.judge(ctx)
	if err != nil {
		return r, err
	}
	if err := v.store(ctx, report, profile); err != nil {
		return r, err
	}
	found := validated{
		OK: report.OK, Failure: report.Failure, Events: report.Events, Quarantined: report.QuarantinedEvents(), Rejected: v.made.Rejected,
	}
	if report.OK {
		if r.Dataset, err = v.part(ctx, report); err != nil {
			return r, err
		}
		found.Dataset = v.out["dataset"]
	}
	if r.Result, err = result("validation", found); err != nil {
		return r, err
	}
	if err := report.Err(); err != nil {
		return r, &GateError{err.Error()}
	}
	return r, nil
}

// begin makes the check, with what the extraction rejected.
func (v *validator) begin(ctx context.Context) (err error) {
	in := quality.Input{Name: v.s.Name, At: v.at(), Spec: v.s.Spec, Columns: v.s.Columns, Counts: quality.Counts{
		Rows: v.made.Rows, Kept: v.made.Kept, Rejected: v.made.Rejected,
	}}
	for _, d := range v.made.Dropped {
		in.Counts.Dropped = append(in.Counts.Dropped, quality.Drop{Reason: d.Reason, Rows: d.Rows})
	}
	if hash := v.in["reference"]; hash != "" {
		data, err := lake.Read(ctx, v.env.Blobs, hash)
		if err != nil {
			return fmt.Errorf("profile of the last accepted dataset: %w", err)
		}
		if in.Reference, err = quality.DecodeProfile(data); err != nil {
			return fmt.Errorf("profile of the last accepted dataset: %w", err)
		}
	}
	if v.check, err = quality.New(in); err != nil {
		return inputf("%v", err)
	}
	return v.rejects(ctx, func(r lake.Reject) error { v.check.Reject(r); return nil })
}

// at is the time that the run is for. With nothing new in the source the extraction
// is that of an earlier run.
func (v *validator) at() int64 {
	if v.s.To != 0 {
		return v.s.To / 1000
	}
	return v.made.At
}

func (v *validator) rejects(ctx context.Context, visit func(lake.Reject) error) error {
	for _, hash := range v.made.Rejects {
		if err := lake.ReadRejects(ctx, v.env.Blobs, hash, visit); err != nil {
			return fmt.Errorf("rejects: %w", err)
		}
	}
	return nil
}

// events visits those that the run is to see.
func (v *validator) events(ctx context.Context, message string, visit func(dataplane.Event) error) error {
	n := int64(0)
	return lake.ReadEvents(ctx, v.env.Blobs, v.made.Dataset, func(e dataplane.Event) error {
		if n++; n%reportRows == 0 {
			v.env.Progress(wire.Progress{Message: message, Done: n, Total: max(n, v.made.Kept)})
		}
		if v.outside(e) {
			return nil
		}
		return visit(e)
	})
}

// outside reports whether an event is out of the run's bounds.
func (v *validator) outside(e dataplane.Event) bool {
	return v.s.To != 0 && e.Time >= v.s.To || v.s.From != 0 && e.Time < v.s.From
}

func (v *validator) judge(ctx context.Context) (*quality.Report, *quality.Profile, error) {
	if err := v.events(ctx, "checking", v.check.Event); err != nil {
		return nil, nil, err
	}
	report, profile := v.check.Finish()
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		return nil, nil, err
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(text.String(), "\n"), "\n") {
		lines = append(lines, line)
	}
	v.env.Progress(wire.Progress{Message: "checked", Done: report.Events, Total: report.Events, Lines: lines})
	return report, profile, nil
}

func (v *validator) store(ctx context.Context, report *quality.Report, profile *quality.Profile) error {
	text, err := report.Encode()
	if err != nil {
		return err
	}
	bytesOf, err := profile.Encode()
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"report": text, "profile": bytesOf} {
		hash, err := lake.Write(ctx, v.env.Blobs, data)
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		v.out[name] = hash
	}
	return nil
}

// part writes the dataset without what is quarantined. Where nothing is, it is
// the one that was extracted.
func (v *validator) part(ctx context.Context, report *quality.Report) (*wire.Dataset, error) {
	quarantined := report.QuarantinedEvents()
	if quarantined+v.made.Rejected > 0 {
		if err := v.quarantine(ctx); err != nil {
			return nil, err
		}
	}
	if quarantined == 0 && v.s.To == 0 && v.s.From == 0 {
		v.out["dataset"] = v.made.Dataset
		return nil, nil //nolint:nilnil // the dataset has its record
	}
	clean, filter := lake.NewEvents(), v.check.Filter()
	err := v.events(ctx, "parting what is quarantined", func(e dataplane.Event) error {
		if keep, _ := filter.Event(e); keep {
			return clean.Add(e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if clean.Len() == 0 {
		return nil, &GateError{"no event is left to learn from"}
	}
	old, err := lake.ReadManifest(ctx, v.env.Blobs, v.made.Dataset)
	if err != nil {
		return nil, err
	}
	m, id, err := lake.WriteDataset(ctx, v.env.Blobs, clean, old.Mask)
	if err != nil {
		return nil, fmt.Errorf("write dataset: %w", err)
	}
	v.out["dataset"] = id
	return &wire.Dataset{ID: id, Name: v.s.Name, Events: m.Events, Students: m.Students, Skills: int64(len(m.Skills)), Mask: m.Mask}, nil
}

// quarantine stores the rows that are no events and the events that are not to
// be learnt from, with their reasons.
func (v *validator) quarantine(ctx context.Context) error {
	var all []lake.Reject
	if err := v.rejects(ctx, func(r lake.Reject) error { all = append(all, r); return nil }); err != nil {
		return err
	}
	filter := v.check.Filter()
	err := v.events(ctx, "parting what is quarantined", func(e dataplane.Event) error {
		if keep, why := filter.Event(e); !keep {
			all = append(all, why)
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.out["quarantine"], err = lake.WriteRejects(ctx, v.env.Blobs, all)
	return err
}
