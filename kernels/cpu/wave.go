package cpu

import (
	"slices"

	"cohort/kernels"
)

// slots is the number of sequences that a thread runs side by side: tiles of 12
// rows, or two of 6, share each panel of weights.
const slots = 12

// waveRows is about how many steps a wave has: their state is to stay in the
// last-level cache from forward to backward.
const waveRows = 2400

// A wave is some sequences that run forward and then backward together, one
// after another in slots. Rows never meet, so no bit depends on what lies where.
type wave struct {
	seqs  []kernels.Sequence
	at    []int  // place in the call's sequences
	first []int  // row of the state of a sequence's step 0
	rows  int    // of the state
	ticks []tick // what runs side by side
	cells []cell
	queue [slots][]int32 // sequences of a slot, in order
}

// tick is a run of cells: first those that go on, then those that begin.
type tick struct{ first, rest, end int }

// cell is a step of a sequence, in a slot.
type cell struct{ seq, step, slot int32 }

// plan takes sequences off part, which is sorted, longest first, and returns
// what is left.
func (w *wave) plan(seqs []kernels.Sequence, part []int) []int {
	w.seqs, w.at, w.first, w.rows = w.seqs[:0], w.at[:0], w.first[:0], 0
	for len(part) > 0 && (len(w.seqs) < slots || w.rows+len(seqs[part[0]].In) <= waveRows) {
		s := seqs[part[0]]
		w.seqs, w.at, w.first = append(w.seqs, s), append(w.at, part[0]), append(w.first, w.rows)
		w.rows += len(s.In)
		part = part[1:]
	}
	w.deal()
	return part
}

// deal queues each sequence at the slot that is free first, and lists the ticks.
func (w *wave) deal() {
	var load [slots]int
	for k := range w.queue {
		w.queue[k] = w.queue[k][:0]
	}
	for k, s := range w.seqs {
		least := 0
		for slot, n := range load {
			if n < load[least] {
				least = slot
			}
		}
		w.queue[least] = append(w.queue[least], int32(k))
		load[least] += len(s.In)
	}
	w.ticks, w.cells = w.ticks[:0], w.cells[:0]
	var step, head [slots]int // of each slot
	for range slices.Max(load[:]) {
		t := tick{first: len(w.cells)}
		for _, begin := range []bool{false, true} {
			if begin {
				t.rest = len(w.cells)
			}
			for slot, queue := range w.queue {
				if head[slot] < len(queue) && (step[slot] == 0) == begin {
					w.cells = append(w.cells, cell{queue[head[slot]], int32(step[slot]), int32(slot)})
				}
			}
		}
		t.end = len(w.cells)
		w.ticks = append(w.ticks, t)
		for _, c := range w.cells[t.first:t.end] {
			if step[c.slot]++; step[c.slot] == len(w.seqs[c.seq].In) {
				step[c.slot] = 0
				head[c.slot]++
			}
		}
	}
}

// row is a cell's row of the state.
func (w *wave) row(c cell) int { return w.first[c.seq] + int(c.step) }

// last reports whether a cell is its sequence's last step.
func (w *wave) last(c cell) bool { return int(c.step) == len(w.seqs[c.seq].In)-1 }
