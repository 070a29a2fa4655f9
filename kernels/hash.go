package kernels

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
)

// HashWeights is the SHA-256 over the weights as little-endian float32 in the
// order of Params.Data, in hex: the promise "one job, one hash" is about it.
func HashWeights(p *Params) string {
	sum, b := sha256.New(), make([]byte, 0, 16<<10)
	for c := range slices.Chunk(p.Data, cap(b)/4) {
		b = b[:0]
		for _, v := range c {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
