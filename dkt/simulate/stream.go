package simulate

import "cohort/kernels"

// Purposes of the streams, beside those of package kernels.
const (
	streamWorld   uint32 = 0x53_00_00_01
	streamLearner uint32 = 0x53_00_00_02
	streamDrift   uint32 = 0x53_00_00_03
	streamClock   uint32 = 0x53_00_00_04
)

// A stream draws numbers from Philox counters (block, id, 0, 0).
type stream struct {
	key   [2]uint32
	id    uint32
	block uint32
	buf   [4]uint32
	left  int
}

func newStream(seed, purpose, id uint32) *stream {
	return &stream{key: [2]uint32{seed, purpose}, id: id}
}

func (s *stream) word() uint32 {
	if s.left == 0 {
		s.buf = kernels.Philox(s.key, [4]uint32{s.block, s.id, 0, 0})
		s.block++
		s.left = len(s.buf)
	}
	s.left--
	return s.buf[s.left]
}

// uniform is in (0, 1).
func (s *stream) uniform() float64 { return float64((float64(s.word()) + 0.5) * 0x1p-32) }

// below is in 0 … n−1; its bias is below n·2^-32.
func (s *stream) below(n int) int { return int(uint64(s.word()) * uint64(n) >> 32) }

// normal is nearly standard normal: the sum of twelve uniforms (Irwin–Hall).
func (s *stream) normal() float64 {
	sum := -6.0
	for range 12 {
		sum += s.uniform()
	}
	return sum
}
