//go:build !linux

package cpu

func huge(n int) []float32 { return make([]float32, n) }
