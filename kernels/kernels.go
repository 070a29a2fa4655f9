// Package kernels is the arithmetic contract: shapes and layouts, constants,
// elementary functions, fixed point and counter-based random numbers, each
// defined down to the last bit. DESIGN.md states it with golden vectors.
package kernels
