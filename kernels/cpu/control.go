package cpu

import "math"

// checkControl reports whether the thread rounds to nearest and keeps
// subnormals; foreign code may have changed that.
func checkControl() bool {
	return controlled(math.Float32frombits(1), 1, 0x1p-24, 0x1.8p-24)
}

// controlled is out of line, with operands that the compiler does not know: what
// it knows it folds, by the mode of its own thread. Results are compared as
// bits, because a thread that reads subnormals as zero finds them all equal.
//
//go:noinline
func controlled(tiny, one, half, more float32) bool {
	bits := math.Float32bits
	return bits(tiny+tiny) == 2 && // subnormals are kept
		bits(one+half) == bits(one) && bits(-one-half) == bits(-one) && // neither up nor down
		bits(one+more) == bits(one)+1 && bits(-one-more) == bits(-one)+1 // nor towards zero
}
