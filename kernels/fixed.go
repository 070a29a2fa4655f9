package kernels

import (
	"fmt"
	"math"
)

// The fixed-point door (ARITHMETIC 3).
const (
	FixedOne   = 0x1p30         // q is x·FixedOne, ties to even
	FixedMagic = 0x1.8p52       // adding it puts the integer into the low bits
	FixedLimit = 0x1p15         // |x| at or above it, or NaN, marks the step bad
	SumLimit   = int64(1) << 52 // |q| of a reduced entry at or above it is bad
)

// ToFixed is x in fixed point; ok is false when x may not pass the door.
func ToFixed(x float32) (q int64, ok bool) {
	if !(math.Abs(float64(x)) < FixedLimit) {
		return 0, false
	}
	return int64(math.Float64bits(fmaFixed(float64(x))) - math.Float64bits(FixedMagic)), true
}

// fmaFixed is kept out of line so that its fused instruction stands alone: no
// other function may have one (a test disassembles).
//
//go:noinline
func fmaFixed(x float64) float64 { return math.FMA(x, FixedOne, FixedMagic) }

// Scale is 2^-30/n: a fixed-point sum times it is the mean over n answers.
func Scale(n int64) float64 { return (1.0 / FixedOne) / float64(n) }

// FromFixed is q·scale, rounded to float64 and then to float32.
func FromFixed(q int64, scale float64) float32 { return float32(float64(q) * scale) }

// NonFiniteError says where a number left the range of the contract.
type NonFiniteError struct {
	Tensor   string
	Sequence uint32 // Sequence.ID; 0 for a reduced sum
	Step     int    // of the sequence; -1 where it covers all steps
}

func (e *NonFiniteError) Error() string {
	if e.Step < 0 {
		return fmt.Sprintf("%s is not finite or out of range (sequence %d)", e.Tensor, e.Sequence)
	}
	return fmt.Sprintf("%s is not finite or out of range (sequence %d, step %d)", e.Tensor, e.Sequence, e.Step)
}
