package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"cohort/coordinator/wire"
)

// maxRun bounds the attempts that a replica is sent before it has said from where
// it needs them.
const maxRun = 1000

// predict fills in what the model says after the last attempt taken, or answers
// why nothing does. The answer follows from the student's history up to there: sent
// again later, the same attempts get it again.
func (g *Gateway) predict(ctx context.Context, name string, t *taken, reply *wire.AttemptsReply) error {
	m, err := g.table.Load().find(name)
	if err != nil {
		return err
	}
	from := t.from
	if t.end-from > maxRun {
		from = t.end - 1
	}
	var step wire.StepReply
	s := search{
		g: g, name: m.name,
		pick: func() []*replica {
			return g.candidates(m.name, func(m *model) []*replica { return m.byStudent(t.student) })
		},
		ask: func(ctx context.Context, r *replica) (a *answer, err error) {
			a, step, from, err = g.step(ctx, r, t, from)
			return a, err
		},
	}
	a, by, err := s.answer(ctx)
	switch {
	case err != nil:
		return err
	case a.status != http.StatusOK:
		return fmt.Errorf("the model could not answer: %s", messageOf(a))
	}
	reply.Model = &wire.ServedModel{Name: m.name, Version: by.version}
	reply.P = step.P
	if step.Next != "" {
		reply.Next = &wire.Advice{Skill: step.Next, P: step.NextP}
	}
	if step.Unknown > 0 {
		reply.Why = unknownSkill(t.skills, step.P)
	}
	g.calibrate(m.name, by.version, t, step, from)
	return nil
}

// step asks one replica, a second time with all of the window where it lacks what
// comes before. It answers from where the attempts it was sent begin.
func (g *Gateway) step(ctx context.Context, r *replica, t *taken, from uint64) (*answer, wire.StepReply, uint64, error) {
	var reply wire.StepReply
	for first := true; ; first = false {
		window, err := t.window(from, t.end)
		if err != nil {
			return nil, reply, from, &ownError{err}
		}
		body, err := json.Marshal(wire.StepRequest{Student: t.student, From: from, Attempts: window})
		if err != nil {
			return nil, reply, from, &ownError{fmt.Errorf("encode step: %w", err)}
		}
		a, err := g.ask(ctx, r, call{
			method: http.MethodPost, uri: "/v1/step", header: http.Header{"Content-Type": {"application/json"}}, body: body,
		})
		if err != nil || a.status != http.StatusOK && a.status != http.StatusConflict {
			return a, reply, from, err
		}
		reply = wire.StepReply{}
		if err := json.Unmarshal(a.body, &reply); err != nil {
			return nil, reply, from, fmt.Errorf("decode a replica's step: %w", err)
		}
		switch {
		case a.status == http.StatusOK && reply.Position == t.end:
			return a, reply, from, nil
		case a.status == http.StatusOK:
			return nil, reply, from, fmt.Errorf("a replica answers for position %d, not %d", reply.Position, t.end)
		case !first || reply.Need > t.end:
			return nil, reply, from, errors.New("a replica asks for more than its window")
		}
		from = reply.Need
	}
}

// messageOf is what a replica says of a refusal.
func messageOf(a *answer) string {
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(a.body, &said) == nil && said.Message != "" {
		return said.Message
	}
	return http.StatusText(a.status)
}

// unknownSkill says that attempts change no prediction; empty: all of the request do.
func unknownSkill(skills []string, known map[string]float64) string {
	for _, skill := range skills {
		if _, ok := known[skill]; !ok {
			return fmt.Sprintf("the model does not know skill %q: the attempt is kept, and changes no prediction", skill)
		}
	}
	return ""
}

// calibrate notes how the fresh attempts compare with what was predicted before them.
func (g *Gateway) calibrate(name string, v int, t *taken, step wire.StepReply, from uint64) {
	for k, p := range step.Before {
		if right, fresh := t.fresh[from+uint64(k)]; fresh && p >= 0 {
			g.meters.of(name, v).answer(p, right)
		}
	}
}
