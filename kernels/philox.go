package kernels

// Purposes are the second word of a Philox key, so that no two uses of a seed
// share a number. Append, never renumber.
const (
	PurposeInit    uint32 = 1  // counter (tensor, element, 0, 0)
	PurposeOrder   uint32 = 2  // counter (epoch, hash low, hash high, window)
	PurposeSplit   uint32 = 3  // counter (hash low, hash high, 0, 0)
	PurposeTune    uint32 = 4  // counter (trial, block, hash low, hash high)
	PurposeDropout uint32 = 16 // + layer; counter (epoch, sequence, step, unit/4)
)

// The multipliers and the key's increments of Philox.
const (
	PhiloxM0 = 0xD2511F53
	PhiloxM1 = 0xCD9E8D57
	PhiloxW0 = 0x9E3779B9
	PhiloxW1 = 0xBB67AE85
)

// Philox is Philox4x32-10 (Salmon et al., SC 2011): ten rounds, no state.
func Philox(key [2]uint32, ctr [4]uint32) [4]uint32 {
	for range 10 {
		a := uint64(ctr[0]) * PhiloxM0
		b := uint64(ctr[2]) * PhiloxM1
		ctr = [4]uint32{
			uint32(b>>32) ^ ctr[1] ^ key[0], uint32(b),
			uint32(a>>32) ^ ctr[3] ^ key[1], uint32(a),
		}
		key[0] += PhiloxW0
		key[1] += PhiloxW1
	}
	return ctr
}

// Uniform maps a word to (0, 1): (r + 0.5)·2^-32.
func Uniform(r uint32) float64 { return float64((float64(r) + 0.5) * 0x1p-32) }
