package state

import (
	"maps"
	"sync"

	"cohort/coordinator/wire"
)

// applied counts commands since the process began; it is no part of the state.
type applied struct {
	mu     sync.Mutex // guards below
	counts map[wire.Number]int64
}

func (a *applied) count(n wire.Number) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts = map[wire.Number]int64{}
	}
	a.counts[n]++
}

// Applied is how many commands of each number were applied here since the process
// began, those that were refused among them.
func (s *Store) Applied() map[wire.Number]int64 {
	s.applied.mu.Lock()
	defer s.applied.mu.Unlock()
	return maps.Clone(s.applied.counts)
}
