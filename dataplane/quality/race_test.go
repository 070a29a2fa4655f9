//go:build race

package quality_test

// raced: the race detector makes the statistics ten times as slow, and has
// nothing to find in them. It sees a twentieth of the draws; the others are the
// business of the run without it, which make test does as well.
const raced = true
