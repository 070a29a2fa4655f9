//go:build !floatsums

package cpu

// floatSums is the negative control of the one-hash tests: with the build tag
// floatsums gradients are summed as float32 in order of arrival, and the hash
// depends on who computed what. It also measures the cost of exactness.
const floatSums = false
