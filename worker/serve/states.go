package serve

import (
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"

	"cohort/dkt/infer"
)

// states are where students stand, those asked for last. To lose one costs a
// replay of a window and changes no answer.
type states struct {
	cache *lru.Cache[string, *infer.State]
}

// newStates keeps as many as fit into so many bytes.
func newStates(m *model, bytes int64) (*states, error) {
	cache, err := lru.New[string, *infer.State](max(int(bytes/int64(m.StateBytes())), 1))
	if err != nil {
		return nil, fmt.Errorf("make room for states: %w", err)
	}
	return &states{cache}, nil
}

// of is a student's, nil where it is not kept.
func (s *states) of(student string) *infer.State {
	st, _ := s.cache.Get(student)
	return st
}

func (s *states) put(student string, st *infer.State) { s.cache.Add(student, st) }

func (s *states) len() int { return s.cache.Len() }
