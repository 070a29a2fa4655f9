//go:build !race

package quality_test

const raced = false
