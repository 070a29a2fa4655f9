package gateway

import (
	"slices"
	"sync"

	"cohort/coordinator/wire"
)

// memory is an index for simulations.
type memory struct {
	mu       sync.RWMutex // guards below
	last     uint64
	ids      map[[2]string]uint64
	students map[string][]sealed
}

// sealed is an attempt as the index has it.
type sealed struct {
	seq uint64
	wire.StepAttempt
}

func newMemory() *memory {
	return &memory{ids: map[[2]string]uint64{}, students: map[string][]sealed{}}
}

func (m *memory) through() (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.last, nil
}

func (m *memory) add(attempts []wire.Attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range attempts {
		if a.Seq <= m.last {
			continue
		}
		if a.Seq != m.last+1 {
			return gap(m.last, a.Seq)
		}
		m.last = a.Seq
		m.ids[[2]string{a.Student, a.ID}] = a.Seq
		m.students[a.Student] = append(m.students[a.Student], sealed{a.Seq, wire.StepAttempt{Skill: a.Skill, Correct: a.Correct}})
	}
	return nil
}

func (m *memory) seq(student, id string) (uint64, bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	seq, ok := m.ids[[2]string{student, id}]
	return seq, ok, nil
}

func (m *memory) stand(student string) (uint64, uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return uint64(len(m.students[student])), m.last, nil
}

func (m *memory) place(student string, seq uint64) (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	k, _ := slices.BinarySearchFunc(m.students[student], seq, func(s sealed, seq uint64) int {
		return int(int64(s.seq) - int64(seq))
	})
	return uint64(k), nil
}

func (m *memory) window(student string, from, to uint64) ([]wire.StepAttempt, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := m.students[student]
	if to > uint64(len(all)) || from > to {
		return nil, missing(from, to)
	}
	found := make([]wire.StepAttempt, 0, to-from)
	for _, s := range all[from:to] {
		found = append(found, s.StepAttempt)
	}
	return found, nil
}

func (m *memory) reset() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = 0
	clear(m.ids)
	clear(m.students)
	return nil
}

func (m *memory) close() error { return nil }
