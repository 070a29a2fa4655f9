package lake

import (
	"context"
	"fmt"
	"slices"

	"cohort/dataplane"
)

// Difference is the first event, in canonical order, that two datasets do not
// share.
type Difference struct {
	Was, Is *dataplane.Event // nil: not there
	Events  int64            // of the first dataset; 0: not said
}

// String names the event by its masked student, time and id.
func (d *Difference) String() string {
	switch {
	case d.Was == nil && d.Is == nil:
		return fmt.Sprintf("the mask key or the order of skills is another; all %d events are the same", d.Events)
	case d.Is == nil && d.Events == 0:
		return fmt.Sprintf("event %s is missing", named(d.Was))
	case d.Is == nil:
		return fmt.Sprintf("event %s of %d is missing", named(d.Was), d.Events)
	case d.Was == nil && d.Events == 0:
		return fmt.Sprintf("event %s is new", named(d.Is))
	case d.Was == nil:
		return fmt.Sprintf("event %s is new, there were %d", named(d.Is), d.Events)
	}
	return fmt.Sprintf("event %s was skill %q, item %q, correct %v, %d ms; it is skill %q, item %q, correct %v, %d ms",
		named(d.Was), d.Was.Skill, d.Was.Item, d.Was.Correct, d.Was.Elapsed, d.Is.Skill, d.Is.Item, d.Is.Correct, d.Is.Elapsed)
}

func named(e *dataplane.Event) string {
	return fmt.Sprintf("%q at %d µs of the student masked as %s", e.ID, e.Time, e.Student)
}

// FirstDifference compares two datasets part by part, and reads the events of the
// first parts that differ alone. It is nil for a dataset and itself.
func FirstDifference(ctx context.Context, b Blobs, was, is string) (*Difference, error) {
	if was == is {
		return nil, nil //nolint:nilnil // there is none
	}
	old, err := ReadManifest(ctx, b, was)
	if err != nil {
		return nil, err
	}
	now, err := ReadManifest(ctx, b, is)
	if err != nil {
		return nil, err
	}
	d := &Difference{Events: old.Events}
	for part := range max(len(old.Parts), len(now.Parts)) {
		if old.hash(part) == now.hash(part) {
			continue
		}
		if err := d.find(ctx, b, part, old, now); err != nil || d.Was != nil || d.Is != nil {
			return d, err
		}
	}
	return d, nil
}

func (m *Manifest) hash(k int) string {
	if k >= len(m.Parts) {
		return ""
	}
	return m.Parts[k].Hash
}

// find looks for the first event of a part that is in one manifest alone. Where
// both have an event of the same student, time and id, it is altered.
func (d *Difference) find(ctx context.Context, b Blobs, part int, old, now *Manifest) error {
	var all [2][]dataplane.Event
	for k, m := range []*Manifest{old, now} {
		var err error
		if all[k], err = m.partEvents(ctx, b, part); err != nil {
			return err
		}
	}
	at := 0
	for at < min(len(all[0]), len(all[1])) && all[0][at] == all[1][at] {
		at++
	}
	var was, is *dataplane.Event
	if at < len(all[0]) {
		was = &all[0][at]
	}
	if at < len(all[1]) {
		is = &all[1][at]
	}
	switch {
	case was == nil || is == nil || Same(was, is):
		d.Was, d.Is = was, is
	case slices.ContainsFunc(all[1][at:], func(e dataplane.Event) bool { return Same(&e, was) }):
		d.Is = is // what was there comes later
	default:
		d.Was = was
	}
	return nil
}

// Same reports whether two events are one, altered or not.
func Same(a, b *dataplane.Event) bool {
	return a.Student == b.Student && a.Time == b.Time && a.ID == b.ID
}

// partEvents are a part's events; one past the last is empty.
func (m *Manifest) partEvents(ctx context.Context, b Blobs, k int) (all []dataplane.Event, err error) {
	if m.hash(k) == "" {
		return nil, nil
	}
	err = m.ReadPart(ctx, b, k, func(e dataplane.Event) error {
		all = append(all, e)
		return nil
	})
	return all, err
}

// Differences are the events that one dataset alone has, and those that the other
// alone has, in canonical order. Only parts that differ are read.
func Differences(ctx context.Context, b Blobs, was, is string) (gone, came []dataplane.Event, err error) {
	old, err := ReadManifest(ctx, b, was)
	if err != nil {
		return nil, nil, err
	}
	now, err := ReadManifest(ctx, b, is)
	if err != nil {
		return nil, nil, err
	}
	for k := range max(len(old.Parts), len(now.Parts)) {
		if old.hash(k) == now.hash(k) {
			continue
		}
		x, err := old.partEvents(ctx, b, k)
		if err != nil {
			return nil, nil, err
		}
		y, err := now.partEvents(ctx, b, k)
		if err != nil {
			return nil, nil, err
		}
		gone, came = append(gone, without(x, y)...), append(came, without(y, x)...)
	}
	return gone, came, nil
}

// without is all but the events of other, each of which takes one away.
func without(all, other []dataplane.Event) (left []dataplane.Event) {
	have := make(map[dataplane.Event]int, len(other))
	for _, e := range other {
		have[e]++
	}
	for _, e := range all {
		if have[e]--; have[e] < 0 {
			left = append(left, e)
		}
	}
	return left
}
