package kernels

import "slices"

// Dealer shares sequences between members or threads. It keeps its memory.
type Dealer struct {
	order, load []int
	parts       [][]int
}

// Deal gives the longest first, each to the least loaded; ties go to the lower
// index. It returns the positions that each computes, valid until the next Deal.
func (d *Dealer) Deal(seqs []Sequence, members int) [][]int {
	d.order, d.load = d.order[:0], append(d.load[:0], make([]int, members)...)
	for k := range seqs {
		d.order = append(d.order, k)
	}
	slices.SortStableFunc(d.order, func(a, b int) int { return len(seqs[b].In) - len(seqs[a].In) })
	for len(d.parts) < members {
		d.parts = append(d.parts, nil)
	}
	parts := d.parts[:members]
	for m := range parts {
		parts[m] = parts[m][:0]
	}
	for _, k := range d.order {
		least := 0
		for m, n := range d.load {
			if n < d.load[least] {
				least = m
			}
		}
		parts[least] = append(parts[least], k)
		d.load[least] += len(seqs[k].In)
	}
	return parts
}
