//go:build race

package coordinator_test

// raced: training is twenty times as slow under the race detector.
const raced = true
