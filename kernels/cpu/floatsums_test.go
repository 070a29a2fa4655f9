//go:build floatsums

package cpu_test

import (
	"testing"

	"cohort/kernels/cpu"
)

// With float sums both another number of threads and another number of members
// move the weights.
func TestFloatSumsMoveTheWeights(t *testing.T) {
	c := goldenCases()[3]
	weights := func(members, threads int) string {
		lines := train(t, c, members, cpu.Options{Threads: threads})
		return lines[len(lines)-2]
	}
	alone := weights(1, 1)
	if weights(1, 1) != alone {
		t.Error("one thread of one member does not repeat")
	}
	if weights(1, 2) == alone {
		t.Error("two threads give the weights of one")
	}
	if weights(2, 1) == alone {
		t.Error("two members give the weights of one")
	}
}
