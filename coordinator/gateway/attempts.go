package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// attempts takes a student's attempts into the log and answers what the model says
// after the last of them. It runs on the leader.
func (g *Gateway) attempts(w http.ResponseWriter, r *http.Request) error {
	student, all, err := parseAttempts(w, r)
	if err != nil {
		return err
	}
	took, err := g.take(r.Context(), student, all)
	if err != nil {
		return err
	}
	reply := wire.AttemptsReply{Student: student, Accepted: len(all)}
	status := http.StatusOK
	if why := g.predict(r.Context(), modelOf(r), took, &reply); why != nil {
		reply.Why, status = why.Error(), http.StatusAccepted
	}
	g.mark(w)
	if reply.Model != nil {
		signed(w, reply.Model.Name, reply.Model.Version)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(reply)
}

// taken is where a request's attempts stand in their student's history.
type taken struct {
	*history
	from, end uint64          // places of the first, and after the last
	fresh     map[uint64]bool // answers, by place, of those that came with this request
	skills    []string        // of the request
}

// take makes a student's attempts durable, those that are not yet.
func (g *Gateway) take(ctx context.Context, student string, all []wire.Attempt) (*taken, error) {
	if err := g.catchUp(ctx, g.State.Read()); err != nil {
		return nil, err
	}
	seqs, unknown := map[string]uint64{}, []wire.Attempt{}
	for _, a := range all {
		// All that are sealed are in the index, however old; the state knows the rest.
		seq, ok, err := g.index.seq(student, a.ID)
		if err != nil {
			return nil, err
		}
		if seqs[a.ID] = seq; !ok {
			unknown = append(unknown, a)
		}
	}
	index := uint64(0)
	if len(unknown) > 0 {
		var err error
		if index, err = g.append(ctx, unknown); err != nil {
			return nil, err
		}
	}
	v := g.State.Read()
	if err := g.catchUp(ctx, v); err != nil {
		return nil, err
	}
	h, err := g.history(v, student)
	if err != nil {
		return nil, err
	}
	return g.places(v, h, all, seqs, index)
}

// places finds where attempts stand. seqs are those known before; the command at
// index brought the others, or some of them.
func (g *Gateway) places(v *state.View, h *history, all []wire.Attempt, seqs map[string]uint64, index uint64) (*taken, error) {
	t := &taken{history: h, fresh: map[uint64]bool{}}
	for k, a := range all {
		at := wire.Logged{Seq: seqs[a.ID]}
		if at.Seq == 0 {
			var ok bool
			if at, ok = v.Logged(a.Student, a.ID); !ok {
				return nil, refusal(wire.CodeInternal, "an attempt was committed and is not in the log")
			}
		}
		place, err := h.place(at.Seq)
		if err != nil {
			return nil, err
		}
		if err := h.same(place, k, a); err != nil {
			return nil, err
		}
		if at.Index != 0 && at.Index == index {
			t.fresh[place] = a.Correct
		}
		if k == 0 || place < t.from {
			t.from = place
		}
		t.end = max(t.end, place+1)
		t.skills = append(t.skills, a.Skill)
	}
	return t, nil
}
