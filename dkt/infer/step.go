package infer

import (
	"slices"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// State is where a student stands after Position answers. It follows from his
// answers of the window that Position ends, and never changes.
type State struct {
	Position uint64
	codes    []int32   // of the window so far
	before   []float64 // P of each just before it, or -1
	cell     []float32 // of the model; nil: nothing that it knows in this window
}

// StateBytes is about the memory that a state takes at most.
func (m *Model) StateBytes() int { return 256 + 12*m.window + 4*m.p.StateLen() }

// begins is where its window begins.
func (s *State) begins() uint64 { return s.Position - uint64(len(s.codes)) }

// continues reports whether codes from a position on begin in the state's window
// and go beyond it, and where they overlap are the same.
func (s *State) continues(from uint64, codes []int32) bool {
	if s == nil || from < s.begins() || from > s.Position || from+uint64(len(codes)) < s.Position {
		return false
	}
	had := s.codes[from-s.begins():]
	return slices.Equal(had, codes[:len(had)])
}

// Step is a student's answers on their way through the model: its runs may be
// computed in any order, by any lanes.
type Step struct {
	Runs   []*cpu.Run
	end    uint64
	window window    // that the step ends in
	before []float64 // of all answers
	asked  []asked
	kept   bool // it goes on from a state
}

// From says what the step begins with: the student's "state", or the "window".
func (s *Step) From() string {
	if s.kept {
		return "state"
	}
	return "window"
}

// window is a State in the making.
type window struct {
	codes []int32
	first int // place of codes[0] in Step.before; below 0: some lie before it
	had   []float64
	cell  []float32
}

// asked says where the logits of a run go.
type asked struct {
	run   *cpu.Run
	place []int // in Step.before, of each interaction
}

// Advance plans a student's answers from a position on; st, where he stood, may
// be nil or of any position. When what is before from is missing, ok is false and
// need is the position to begin at.
func (m *Model) Advance(st *State, from uint64, codes []int32) (s *Step, need uint64, ok bool) {
	end := from + uint64(len(codes))
	s = &Step{end: end, before: make([]float64, len(codes))}
	for k := range s.before {
		s.before[k] = -1
	}
	start := from / uint64(m.window) * uint64(m.window) // of the window that from lies in
	if len(codes) == 0 {
		start = m.begins(from)
	}
	at := 0
	switch {
	case st.continues(from, codes):
		had := st.before[from-st.begins():]
		at, s.kept = copy(s.before, had), true
		s.window = window{codes: slices.Clone(st.codes), first: at - len(st.codes), had: st.before, cell: st.cell}
	case start != from:
		return nil, start, false
	}
	for first := true; first || at < len(codes); first = false {
		if len(s.window.codes) == m.window && at < len(codes) {
			s.window = window{first: at}
		}
		n := min(len(codes)-at, m.window-len(s.window.codes))
		m.run(s, codes[at:at+n], at, at+n == len(codes))
		at += n
	}
	return s, 0, true
}

// run adds the run of answers of one window; the last one's has what is asked.
func (m *Model) run(s *Step, codes []int32, at int, last bool) {
	r := &cpu.Run{From: s.window.cell}
	a := asked{run: r}
	for k, code := range codes {
		if code != Unknown {
			r.In = append(r.In, m.interaction(code))
			r.Ask = append(r.Ask, code/2)
			a.place = append(a.place, at+k)
		}
	}
	r.Before = make([]float32, len(r.In))
	if r.From == nil && len(r.In) > 0 {
		a.place[0] = -1 // begins: nothing is known of him
	}
	s.window.codes = append(s.window.codes, codes...)
	if last {
		r.Logits = make([]float32, m.skills)
	}
	if len(r.In) > 0 {
		r.To = make([]float32, m.p.StateLen())
		s.window.cell = r.To
	}
	s.Runs, s.asked = append(s.Runs, r), append(s.asked, a)
}

// Result is what follows once the runs have run: where the student stands, P of
// every skill, and of each answer's skill just before it, -1 where the model said
// nothing. The error is a run's.
func (s *Step) Result() (st *State, p []float32, before []float64, err error) {
	for _, a := range s.asked {
		if a.run.Err != nil {
			return nil, nil, nil, a.run.Err
		}
		for k, place := range a.place {
			if place >= 0 {
				s.before[place] = float64(kernels.Sigmoid(a.run.Before[k]))
			}
		}
	}
	w := s.window
	st = &State{Position: s.end, codes: w.codes, cell: w.cell}
	if w.first < 0 {
		st.before = append(st.before, w.had[:-w.first]...)
	}
	st.before = append(st.before, s.before[max(w.first, 0):]...)
	return st, Probabilities(s.Runs[len(s.Runs)-1].Logits), s.before, nil
}
