package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// Sealer seals the attempt log and lists its segments that hold attempts after a
// position, in order and without gaps.
type Sealer func(ctx context.Context, after uint64) ([]wire.AttemptSegment, error)

// attemptLog is the cluster's own attempt log as a Source. The log only grows, and
// its segments never change: a plan is the list of those that no plan before it
// had. An attempt that was sent twice is in the log once.
type attemptLog struct {
	blobs lake.Blobs
	seal  Sealer
}

// OpenAttempts opens the attempt log.
func OpenAttempts(blobs lake.Blobs, seal Sealer) Source { return &attemptLog{blobs, seal} }

const attemptPlanVersion = 1

// attemptPlan holds positions and hashes, no student.
type attemptPlan struct {
	Version  int              `json:"version"`
	Segments []attemptSegment `json:"segments"`
}

type attemptSegment struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Hash  string `json:"hash"`
}

const attemptsName = "attempt log"

func attemptFault(format string, args ...any) error {
	return &InputError{File: attemptsName, Text: fmt.Sprintf(format, args...)}
}

func parseAttemptPlan(plan json.RawMessage) (p attemptPlan, err error) {
	d := json.NewDecoder(bytes.NewReader(plan))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, attemptFault("this is no plan of the attempt log")
	}
	if p.Version != attemptPlanVersion {
		return p, attemptFault("a plan of version %d; this cohort reads version %d", p.Version, attemptPlanVersion)
	}
	for k, s := range p.Segments {
		if s.First == 0 || s.Last < s.First || !lake.ValidHash(s.Hash) || k > 0 && s.First != p.Segments[k-1].Last+1 {
			return p, attemptFault("the plan is damaged: segment %d", k)
		}
	}
	return p, nil
}

// Plan implements Source: it has the coordinators seal what came in up to now.
func (a *attemptLog) Plan(ctx context.Context, last json.RawMessage) (json.RawMessage, bool, error) {
	after := uint64(0)
	if last != nil {
		p, err := parseAttemptPlan(last)
		if err != nil {
			return nil, false, err
		}
		if n := len(p.Segments); n > 0 {
			after = p.Segments[n-1].Last
		}
	}
	segments, err := a.seal(ctx, after)
	if err != nil {
		return nil, false, fmt.Errorf("seal the attempt log: %w", err)
	}
	if last != nil && len(segments) == 0 {
		return last, false, nil
	}
	next := attemptPlan{Version: attemptPlanVersion, Segments: []attemptSegment{}}
	for _, s := range segments {
		if s.First != after+1 {
			return nil, false, attemptFault("attempts up to %d were extracted, and the log goes on at %d: it is another one, or parts of it are lost", after, s.First)
		}
		after = s.Last
		next.Segments = append(next.Segments, attemptSegment{s.First, s.Last, s.Hash})
	}
	plan, err := json.Marshal(next)
	if err != nil {
		return nil, false, fmt.Errorf("write plan: %w", err)
	}
	return plan, true, nil
}

// Read implements Source.
func (a *attemptLog) Read(ctx context.Context, plan json.RawMessage, r *Reader) error {
	p, err := parseAttemptPlan(plan)
	if err != nil {
		return err
	}
	for _, s := range p.Segments {
		err := lake.ReadAttempts(ctx, a.blobs, wire.AttemptSegment{First: s.First, Last: s.Last, Hash: s.Hash}, func(t wire.Attempt) error {
			return r.Row(func() string { return fmt.Sprintf("%s, attempt %d", attemptsName, t.Seq) }, attemptValues(t))
		})
		if errors.Is(err, lake.ErrNotFound) {
			return attemptFault("attempts %d to %d are gone: no blob %s", s.First, s.Last, s.Hash)
		}
		if errors.Is(err, lake.ErrCorrupt) {
			return attemptFault("attempts %d to %d are not what they were: %v", s.First, s.Last, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attemptValues are an attempt's under wire.AttemptColumns.
func attemptValues(t wire.Attempt) *Values {
	v := Values{
		FieldStudent: t.Student, FieldItem: t.Item, FieldSkill: t.Skill, FieldCorrect: "0",
		FieldTime: strconv.FormatInt(t.Time, 10), FieldID: t.ID,
	}
	if t.Correct {
		v[FieldCorrect] = "1"
	}
	if t.Elapsed > 0 {
		v[FieldElapsed] = strconv.FormatInt(t.Elapsed, 10)
	}
	return &v
}

// Close implements Source.
func (a *attemptLog) Close() error { return nil }
