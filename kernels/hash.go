package kernels

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// HashWeights is the SHA-256 over the weights as little-endian float32 in the
// order of Params.Data, in hex: the promise "one job, one hash" is about it.
func HashWeights(p *Params) string {
	b := make([]byte, 0, 4*len(p.Data))
	for _, v := range p.Data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
