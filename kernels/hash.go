package kernels

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"slices"
)

// HashWeights is the SHA-256 over the weights as little-endian float32 in the
// order of Params.Data, in hex: the promise "one job, one hash" is about it.
func HashWeights(p *Params) string {
	sum := sha256.New()
	HashFloats(sum, p.Data)
	return hex.EncodeToString(sum.Sum(nil))
}

// HashFloats adds the little-endian bits of data to sum, a piece at a time.
func HashFloats(sum hash.Hash, data []float32) {
	b := make([]byte, 0, 16<<10)
	for c := range slices.Chunk(data, cap(b)/4) {
		b = AppendFloats(b[:0], c)
		sum.Write(b)
	}
}

// AppendFloats appends the little-endian bits of data to b.
func AppendFloats(b []byte, data []float32) []byte {
	for _, v := range data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
