package stage

import (
	"cmp"
	"context"
	"slices"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// recorded are the plans, oldest first, of an extraction that is to be made again.
// The run's time is then that of the record: what is checked against it stays the
// same.
func (x *extractor) recorded(ctx context.Context) (plans []*lake.Plan, err error) {
	x.made.At = x.a.At
	hash := x.in["recorded"]
	for first := true; hash != ""; first = false {
		e, err := lake.ReadExtraction(ctx, x.env.Blobs, hash)
		if err != nil {
			return nil, err
		}
		if first {
			if err := x.sameMask(ctx, e.Dataset); err != nil {
				return nil, err
			}
			x.made.At, x.was, x.wereRejects, x.read.Again = e.At, e.Dataset, e.Rejects, true
		}
		if hash = e.Base; e.Plan == "" {
			continue // of a file, which is read whole
		}
		p, err := lake.ReadPlan(ctx, x.env.Blobs, e.Plan)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	slices.Reverse(plans)
	return plans, nil
}

// sameMask refuses another key than the one that a dataset is masked with: nothing
// could be compared.
func (x *extractor) sameMask(ctx context.Context, dataset string) error {
	m, err := lake.ReadManifest(ctx, x.env.Blobs, dataset)
	if err != nil {
		return err
	}
	if m.Mask != x.mask.Fingerprint() {
		return inputf("mask key %s is another than the one that the recorded students are masked with", cmp.Or(x.s.MaskKey, "(none)"))
	}
	return nil
}

// readAgain reads from the source itself what some extractions read one after
// another.
func (x *extractor) readAgain(ctx context.Context, src source.Source, plans []*lake.Plan) error {
	x.env.Progress(wire.Progress{Message: "reading " + x.name() + " again"})
	for _, p := range plans {
		if err := src.Read(ctx, p.Source, x.read); err != nil {
			return err
		}
	}
	return nil
}
