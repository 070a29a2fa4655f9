//go:build floatsums

package cpu

const floatSums = true
