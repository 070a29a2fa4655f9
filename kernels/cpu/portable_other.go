//go:build !amd64

package cpu

func hasAVX2() bool   { return false }
func hasAVX512() bool { return false }

type (
	avx2   struct{ portable }
	avx512 struct{ portable }
)
