package tune

import (
	"hash/fnv"
	"math"

	"cohort/kernels"
)

// A stream is the chance of one setting of one trial: the words of Philox with
// key (seed, PurposeTune) and counter (trial, block, hash low, hash high), where
// the hash is FNV-1a of the setting's name. So a setting's draws are its own:
// another one beside it does not move them.
type stream struct {
	key   [2]uint32
	ctr   [4]uint32
	words [4]uint32
	used  int
}

func newStream(seed uint32, trial int, name string) *stream {
	h := fnv.New64a()
	h.Write([]byte(name))
	hash := h.Sum64()
	return &stream{
		key: [2]uint32{seed, kernels.PurposeTune}, ctr: [4]uint32{uint32(trial), 0, uint32(hash), uint32(hash >> 32)}, used: 4,
	}
}

func (s *stream) word() uint32 {
	if s.used == len(s.words) {
		s.words, s.used = kernels.Philox(s.key, s.ctr), 0
		s.ctr[1]++
	}
	s.used++
	return s.words[s.used-1]
}

// uniform is a number in (0, 1).
func (s *stream) uniform() float64 { return kernels.Uniform(s.word()) }

// below is a whole number below n.
func (s *stream) below(n int) int {
	return min(int(math.Floor(float64(s.uniform()*float64(n)))), n-1)
}

// between is a number from low to high.
func (s *stream) between(low, high float64) float64 {
	return low + float64(s.uniform()*(high-low))
}

// normal is a number of a normal distribution that is cut off outside low to
// high: its mean is inside, so that one draw in three or more is too.
func (s *stream) normal(mean, deviation, low, high float64) float64 {
	for range 1000 {
		a, b := s.word(), s.word()
		if x := mean + float64(deviation*kernels.Normal(a, b)); x >= low && x <= high {
			return x
		}
	}
	return mean
}
