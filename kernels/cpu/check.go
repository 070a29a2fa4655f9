package cpu

import (
	"errors"
	"fmt"

	"cohort/kernels"
)

var (
	errNotLoaded = errors.New("cpu: Load comes first")
	errPlaces    = errors.New("cpu: sums without a place for all that occurs, or out of order")
)

// check refuses sequences that the shape has no weights for.
func (e *Engine) check(seqs []kernels.Sequence) error {
	if e.w.params == nil {
		return errNotLoaded
	}
	for _, s := range seqs {
		if len(s.In) == 0 || len(s.In) != len(s.Ask) {
			return fmt.Errorf("sequence %d has %d interactions and %d asked skills", s.ID, len(s.In), len(s.Ask))
		}
		for t := range s.In {
			if s.In[t] < 0 || int(s.In[t]) >= e.d.Rows() || s.Ask[t] < 0 || int(s.Ask[t]) >= e.d.Asks() {
				return fmt.Errorf("sequence %d, step %d: interaction %d or skill %d is out of range", s.ID, t, s.In[t], s.Ask[t])
			}
		}
	}
	return nil
}

// checkPlaces refuses sums without a place for all that occurs, in order.
func (e *Engine) checkPlaces(seqs []kernels.Sequence, g *kernels.Sums) error {
	for k, ids := range [][]int32{g.Rows, g.Asked} {
		e.places[k].clear()
		for n, id := range ids {
			if id < 0 || int(id) >= len(e.places[k].at) || n > 0 && id <= ids[n-1] {
				return errPlaces
			}
			e.places[k].add(id)
		}
	}
	for _, s := range seqs {
		for t := range s.In {
			if e.places[0].find(s.In[t]) < 0 || e.places[1].find(s.Ask[t]) < 0 {
				return errPlaces
			}
		}
	}
	return nil
}

// checkAnswers refuses sequences without an answer, 0 or 1, to every question.
func checkAnswers(seqs []kernels.Sequence) error {
	for _, s := range seqs {
		if len(s.Right) != len(s.In) {
			return fmt.Errorf("sequence %d has %d interactions and %d answers", s.ID, len(s.In), len(s.Right))
		}
		for t, right := range s.Right {
			if right > 1 {
				return fmt.Errorf("sequence %d, step %d: answer %d is neither 0 nor 1", s.ID, t, right)
			}
		}
	}
	return nil
}

// checkRoom refuses logits of other lengths than the sequences'.
func checkRoom(seqs []kernels.Sequence, z [][]float32) error {
	if len(z) != len(seqs) {
		return fmt.Errorf("cpu: room for the logits of %d sequences, there are %d", len(z), len(seqs))
	}
	for k, s := range seqs {
		if len(z[k]) != len(s.In) {
			return fmt.Errorf("cpu: sequence %d has %d steps and room for %d logits", s.ID, len(s.In), len(z[k]))
		}
	}
	return nil
}

// checkLogits names the first logit that is not finite.
func checkLogits(seqs []kernels.Sequence, z [][]float32) error {
	for k, s := range seqs {
		for step, v := range z[k] {
			if !finite(v) {
				return &kernels.NonFiniteError{Tensor: "logit", Sequence: s.ID, Step: step}
			}
		}
	}
	return nil
}
