package kernels

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestADealIsFairAndWhole(t *testing.T) {
	var d Dealer
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(1, 200), 0, 64).Draw(t, "lengths")
		members := rapid.IntRange(1, 9).Draw(t, "members")
		seqs := make([]Sequence, len(lengths))
		for k, n := range lengths {
			seqs[k].In = make([]int32, n)
		}
		seen := make([]int, len(lengths))
		low, high, longest := math.MaxInt, 0, 0
		for _, part := range d.Deal(seqs, members) {
			load := 0
			for _, k := range part {
				seen[k]++
				load += lengths[k]
				longest = max(longest, lengths[k])
			}
			low, high = min(low, load), max(high, load)
		}
		for k, n := range seen {
			if n != 1 {
				t.Fatalf("sequence %d is dealt %d times", k, n)
			}
		}
		if high-low > longest {
			t.Fatalf("loads from %d to %d, longest %d", low, high, longest)
		}
	})
}
