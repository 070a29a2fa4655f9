package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"cohort/coordinator/wire"
	"cohort/dkt/infer"
)

// maxStudent bounds the length of an id, in bytes.
const maxStudent = 1024

// step runs a student's new attempts from where he stands, and says what follows.
func (r *Replica) step(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), r.timeout)
	defer cancel()
	out, status, err := r.advance(ctx, w, req)
	if err != nil {
		r.refuse(w, err)
		return
	}
	reply(w, status, out)
}

func (r *Replica) advance(ctx context.Context, w http.ResponseWriter, req *http.Request) (out []byte, status int, err error) {
	if kind, err := contentType(req); err != nil || kind != "application/json" {
		return nil, 0, &requestError{http.StatusUnsupportedMediaType, "a step is application/json"}
	}
	text, err := body(w, req)
	if err != nil {
		return nil, 0, err
	}
	var q wire.StepRequest
	if err := unmarshal(text, &q); err != nil {
		return nil, 0, badf("the step is not as it should be: %v", err)
	}
	codes, unknown, err := r.model.codes(q)
	if err != nil {
		return nil, 0, err
	}
	had := r.states.of(q.Student)
	s, need, ok := r.model.Advance(had, q.From, codes)
	if !ok {
		r.metrics.steps.WithLabelValues("need").Inc()
		out, err = json.Marshal(wire.StepReply{Need: need})
		return out, http.StatusConflict, err
	}
	r.metrics.steps.WithLabelValues(s.From()).Inc()
	if err := r.batcher.run(ctx, s.Runs); err != nil {
		return nil, 0, err
	}
	st, p, before, err := s.Result()
	if err != nil {
		return nil, 0, err
	}
	r.states.put(q.Student, st)
	return r.model.stepReply(st.Position, p, before, unknown), http.StatusOK, nil
}

// codes are a step's attempts as the model numbers them.
func (m *model) codes(q wire.StepRequest) (codes []int32, unknown int, err error) {
	switch {
	case q.Student == "" || len(q.Student) > maxStudent:
		return nil, 0, badf("student: want an id of 1 to %d bytes", maxStudent)
	case len(q.Attempts) > maxRows:
		return nil, 0, badf("attempts: %d, at most %d at once", len(q.Attempts), maxRows)
	case q.From > 1<<60:
		return nil, 0, badf("from: %d is no position in a log", q.From)
	}
	codes = make([]int32, len(q.Attempts))
	for k, a := range q.Attempts {
		id, known := m.ids[a.Skill]
		if codes[k] = infer.Code(id, a.Correct); !known {
			codes[k] = infer.Unknown
			unknown++
		}
	}
	return codes, unknown, nil
}

// stepReply is a wire.StepReply as JSON, its skills in the order of the vocabulary.
func (m *model) stepReply(position uint64, p []float32, before []float64, unknown int) []byte {
	b := append(make([]byte, 0, 128+len(p)*20), `{"position":`...)
	b = append(strconv.AppendUint(b, position, 10), `,"p":{`...)
	for k, v := range p {
		if k > 0 {
			b = append(b, ',')
		}
		b = appendP(append(append(b, m.quoted[k]...), ':'), v)
	}
	next := advise(p)
	b = append(append(b, `},"next":`...), m.quoted[next]...)
	b = appendP(append(b, `,"next_p":`...), p[next])
	if len(before) > 0 {
		b = append(b, `,"before":[`...)
		for k, v := range before {
			if k > 0 {
				b = append(b, ',')
			}
			b = appendP(b, float32(v))
		}
		b = append(b, ']')
	}
	if unknown > 0 {
		b = strconv.AppendInt(append(b, `,"unknown":`...), int64(unknown), 10)
	}
	return append(b, "}\n"...)
}
