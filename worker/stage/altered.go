package stage

import (
	"context"
	"errors"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// tellAltered puts into words what has changed in the source since the extraction
// that was made again, as the output "difference": where the row stands, what was
// there and what is. Whether it matters the comparison with the model says, which
// may have learned from less.
func (x *extractor) tellAltered(ctx context.Context, r *wire.TaskResult) error {
	if x.was == "" || x.was == r.Outputs["dataset"] {
		return nil
	}
	x.env.Progress(wire.Progress{Message: "looking for what has changed in " + x.name()})
	gone, came, err := lake.Differences(ctx, x.env.Blobs, x.was, r.Outputs["dataset"])
	if err != nil {
		return fmt.Errorf("compare extractions: %w", err)
	}
	fault, err := x.firstAltered(ctx, gone, came)
	if err != nil {
		return err
	}
	r.Outputs["difference"], err = lake.Write(ctx, x.env.Blobs, []byte(fault.Error()))
	return err
}

// firstAltered names the first row, in the order of the source, that gives another
// event than it did; where there is none, an event that has no row any more.
func (x *extractor) firstAltered(ctx context.Context, gone, came []dataplane.Event) (*source.InputError, error) {
	d := lake.Difference{}
	fault := &source.InputError{File: x.name()}
	if len(came) > 0 {
		at, is, err := x.placeOf(ctx, came)
		if err != nil {
			return nil, err
		}
		fault.File, d.Is = at, is
	}
	for k := range gone {
		if d.Is == nil || lake.Same(&gone[k], d.Is) {
			d.Was = &gone[k]
			break
		}
	}
	fault.Column = x.changedColumn(d)
	if d.Is == nil {
		if err := x.noEvent(ctx, fault); err != nil {
			return nil, err
		}
	}
	switch fault.Text += d.String(); {
	case d.Was == nil && len(gone) > 0:
		fault.Text += "; " + (&lake.Difference{Was: &gone[0]}).String()
	case len(gone) > 1 || len(came) > 1:
		fault.Text += fmt.Sprintf("; in all %d events are no longer there and %d are new", len(gone), len(came))
	}
	return fault, nil
}

// noEvent names the first row that is no event and was one, or was not there.
func (x *extractor) noEvent(ctx context.Context, fault *source.InputError) error {
	were := map[lake.Reject]bool{}
	for _, hash := range x.wereRejects {
		err := lake.ReadRejects(ctx, x.env.Blobs, hash, func(j lake.Reject) error {
			were[j] = true
			return nil
		})
		if err != nil {
			return fmt.Errorf("compare rejects: %w", err)
		}
	}
	for _, j := range x.rejects {
		if !were[j] {
			fault.File, fault.Column, fault.Text = j.At, j.Column, j.Reason+"; "
			return nil
		}
	}
	return nil
}

// errPlaced ends a reading.
var errPlaced = errors.New("found")

// placeOf reads the source once more, for where the first of events stands.
func (x *extractor) placeOf(ctx context.Context, of []dataplane.Event) (place string, is *dataplane.Event, err error) {
	wanted := make(map[dataplane.Event]bool, len(of))
	for _, e := range of {
		wanted[e] = true
	}
	x.read = &source.Reader{
		Mapper: x.read.Mapper, Again: true, Reject: func(lake.Reject) error { return nil },
		Placed: func(e dataplane.Event, at func() string) error {
			if !wanted[e] {
				return nil
			}
			place, is = at(), &e
			return errPlaced
		},
	}
	err = x.readAll(ctx)
	switch {
	case errors.Is(err, errPlaced):
		return place, is, nil
	case err != nil:
		return "", nil, err
	}
	return "", nil, fmt.Errorf("%s changes while it is read", x.name())
}

// changedColumn is the column of the first value that differs, empty where whole
// events do.
func (x *extractor) changedColumn(d lake.Difference) string {
	if d.Was == nil || d.Is == nil {
		return ""
	}
	names := x.read.Names()
	switch {
	case d.Was.Correct != d.Is.Correct:
		return names[source.FieldCorrect]
	case d.Was.Skill != d.Is.Skill:
		return names[source.FieldSkill]
	case d.Was.Item != d.Is.Item:
		return names[source.FieldItem]
	case d.Was.Elapsed != d.Is.Elapsed:
		return names[source.FieldElapsed]
	}
	return ""
}
