// Package kerneltest is the suite that every implementation of the kernels must
// pass: bit for bit what the portable path gives. It holds tests only.
package kerneltest
