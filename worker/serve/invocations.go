package serve

import (
	"context"
	"net/http"
	"strconv"

	"cohort/dkt/infer"
	"cohort/kernels/cpu"
)

// invocations answers P(correct) after each sequence of a request.
func (r *Replica) invocations(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), r.timeout)
	defer cancel()
	out, err := r.predict(ctx, w, req)
	if err != nil {
		r.refuse(w, err)
		return
	}
	reply(w, http.StatusOK, out)
}

func (r *Replica) predict(ctx context.Context, w http.ResponseWriter, req *http.Request) ([]byte, error) {
	kind, err := contentType(req)
	if err != nil {
		return nil, err
	}
	text, err := body(w, req)
	if err != nil {
		return nil, err
	}
	var q query
	if kind == "text/csv" {
		q.rows, err = r.model.parseCSV(text)
	} else {
		q, err = r.model.parseJSON(text)
	}
	if err != nil {
		return nil, err
	}
	runs := make([]*cpu.Run, len(q.rows))
	for k, codes := range q.rows {
		runs[k] = r.model.Whole(codes)
	}
	if err := r.batcher.run(ctx, runs); err != nil {
		return nil, err
	}
	return r.model.predictions(runs, q), nil
}

// query is what a request asks.
type query struct {
	rows  [][]int32 // codes of each sequence
	picks []int     // skills in the reply; nil: all
	named bool      // objects by skill name instead of lists
}

// predictions is the reply: a list a sequence, in the order of the vocabulary or
// as picked, or an object.
func (m *model) predictions(runs []*cpu.Run, q query) []byte {
	if q.picks == nil {
		q.picks = make([]int, len(m.skills))
		for k := range q.picks {
			q.picks[k] = k
		}
	}
	open, end := byte('['), byte(']')
	if q.named {
		open, end = '{', '}'
	}
	b := append(make([]byte, 0, 32+len(runs)*len(q.picks)*12), `{"predictions": [`...)
	for row, r := range runs {
		if row > 0 {
			b = append(b, ", "...)
		}
		p := infer.Probabilities(r.Logits)
		b = append(b, open)
		for n, k := range q.picks {
			if n > 0 {
				b = append(b, ", "...)
			}
			if q.named {
				b = append(append(b, m.quoted[k]...), ": "...)
			}
			b = appendP(b, p[k])
		}
		b = append(b, end)
	}
	return append(b, "]}\n"...)
}

// appendP writes a probability with the digits that read back to the same float32.
func appendP(b []byte, p float32) []byte { return strconv.AppendFloat(b, float64(p), 'g', -1, 32) }
