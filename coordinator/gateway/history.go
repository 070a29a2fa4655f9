package gateway

import (
	"context"
	"sort"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// catchUp brings the index up to the segments of a view. A leader does it for
// what others sealed; what it seals itself is in the index before.
func (g *Gateway) catchUp(ctx context.Context, v *state.View) error {
	log := v.AttemptLog()
	through, err := g.index.through()
	if err != nil || through >= log.Sealed && through <= log.Last {
		return err
	}
	g.catching.Lock()
	defer g.catching.Unlock()
	if through, err = g.index.through(); err != nil {
		return err
	}
	if through > log.Last && through > g.State.Read().AttemptLog().Last { // of another log: its data were lost
		if err := g.index.reset(); err != nil {
			return err
		}
		through = 0
	}
	for _, s := range v.AttemptSegments(through) {
		var all []wire.Attempt
		err := lake.ReadAttempts(ctx, g.Blobs, s, func(a wire.Attempt) error {
			all = append(all, a)
			return nil
		})
		if err != nil {
			return err
		}
		if err := g.index.add(all); err != nil {
			return err
		}
	}
	return nil
}

// history is a student's attempts, in order: those of the index, then the tail.
type history struct {
	index   index
	student string
	count   uint64 // in the index
	through uint64
	tail    []wire.Attempt // after through
}

// history is of one moment; the index must be up to v.
func (g *Gateway) history(v *state.View, student string) (h *history, err error) {
	h = &history{index: g.index, student: student}
	if h.count, h.through, err = g.index.stand(student); err != nil {
		return nil, err
	}
	tail := v.AttemptsOf(student)
	h.tail = tail[sort.Search(len(tail), func(k int) bool { return tail[k].Seq > h.through }):]
	return h, nil
}

// place is where in the student's history the attempt with a Seq stands, from 0.
func (h *history) place(seq uint64) (uint64, error) {
	if seq <= h.through {
		return h.index.place(h.student, seq)
	}
	k := sort.Search(len(h.tail), func(k int) bool { return h.tail[k].Seq >= seq })
	return h.count + uint64(k), nil
}

// window is the attempts from one place to another.
func (h *history) window(from, to uint64) (found []wire.StepAttempt, err error) {
	end := h.count + uint64(len(h.tail))
	if from > to || to > end {
		return nil, missing(from, to)
	}
	if from < h.count {
		if found, err = h.index.window(h.student, from, min(to, h.count)); err != nil {
			return nil, err
		}
	}
	for place := max(from, h.count); place < to; place++ {
		a := h.tail[place-h.count]
		found = append(found, wire.StepAttempt{Skill: a.Skill, Correct: a.Correct})
	}
	return found, nil
}

// same refuses the k-th attempt of a request whose id was given to another before.
// What else the request holds is in the log.
func (h *history) same(place uint64, k int, a wire.Attempt) error {
	found, err := h.window(place, place+1)
	if err != nil {
		return err
	}
	was, is := found[0], wire.StepAttempt{Skill: a.Skill, Correct: a.Correct}
	if was == is {
		return nil
	}
	return refusal(wire.CodeConflict, "attempts[%d].id was given to another attempt before, of skill %q and correct %t: an attempt stays what it was first sent as", k, was.Skill, was.Correct)
}
