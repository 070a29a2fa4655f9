package cpu

import (
	"fmt"

	"cohort/kernels"
)

// Predictor holds a model's weights for prediction. It is read only: any number
// of lanes may use it at once. A prediction has the bits that Engine.Logits has.
type Predictor struct {
	e       *Engine
	nothing []float32 // [hp]: h of a student of whom nothing is known
}

// NewPredictor packs weights, which must not change any more, and folds the rows
// of all interactions. An empty path is Best.
func NewPredictor(p *kernels.Params, path Path) (*Predictor, error) {
	e, err := New(p.Shape, Options{Path: path})
	if err != nil {
		return nil, err
	}
	defer e.Close() //nolint:errcheck // of one thread: nothing to end
	if err := e.Load(p); err != nil {
		return nil, err
	}
	e.call = call{seqs: []kernels.Sequence{{In: upTo(p.Shape.Rows()), Ask: upTo(p.Shape.Asks())}}}
	if err := e.fold(); err != nil {
		return nil, err
	}
	return &Predictor{e: e, nothing: make([]float32, e.d.hp)}, nil
}

func upTo(n int) []int32 {
	ids := make([]int32, n)
	for k := range ids {
		ids[k] = int32(k)
	}
	return ids
}

// Shape is the model's.
func (p *Predictor) Shape() kernels.Shape { return p.e.d.Shape }

// Path is the path in use.
func (p *Predictor) Path() Path { return p.e.path }

// StateLen is the length of a student's state: h and c of each layer, padded.
func (p *Predictor) StateLen() int { return 2 * p.e.d.Layers * p.e.d.hp }

// Run is a part of a student's answers to run forward, and what is asked of it.
type Run struct {
	In     []int32   // interactions
	From   []float32 // state before In, of StateLen; nil: In begins a window
	To     []float32 // state after In, set; nil: not wanted. It may be From.
	Ask    []int32   // asked just before In[t], -1: nothing; nil: nothing is
	Before []float32 // logits of Ask, set, but where there is no state yet
	Logits []float32 // of all that can be asked, after In, set; nil: not wanted
	Err    error     // a *kernels.NonFiniteError: the weights are not sound
}

// Check refuses a run that the model has no weights for.
func (p *Predictor) Check(r *Run) error {
	d := p.e.d
	for t, x := range r.In {
		if x < 0 || int(x) >= d.Rows() {
			return fmt.Errorf("interaction %d, at %d, is not below %d", x, t, d.Rows())
		}
	}
	for t, ask := range r.Ask {
		if ask < -1 || int(ask) >= d.Asks() {
			return fmt.Errorf("asked %d, at %d, is not below %d", ask, t, d.Asks())
		}
	}
	switch {
	case r.Ask != nil && len(r.Ask) != len(r.In) || len(r.Ask) != len(r.Before):
		return fmt.Errorf("%d interactions, %d asked, room for %d", len(r.In), len(r.Ask), len(r.Before))
	case r.Logits != nil && len(r.Logits) != d.Asks():
		return fmt.Errorf("room for %d logits, there are %d", len(r.Logits), d.Asks())
	case r.From != nil && len(r.From) != p.StateLen(), r.To != nil && len(r.To) != p.StateLen():
		return fmt.Errorf("a state of %d and %d, want %d", len(r.From), len(r.To), p.StateLen())
	case len(r.In) == 0 && r.From == nil && r.To != nil:
		return fmt.Errorf("no state is after nothing")
	}
	return nil
}

// ask sets a logit of what is asked at h, and fails r where it is not finite.
func (p *Predictor) ask(r *Run, h []float32, ask int32, to *float32) {
	head, bias := p.e.w.asked(p.e.d, ask)
	*to = p.e.ops.dot(h[:p.e.d.hp], head) + bias
	if !finite(*to) {
		r.Err = &kernels.NonFiniteError{Tensor: "logit", Step: -1}
	}
}

// askAll sets the logits after a run.
func (p *Predictor) askAll(r *Run, h []float32) {
	for k := range r.Logits {
		p.ask(r, h, int32(k), &r.Logits[k])
	}
}
