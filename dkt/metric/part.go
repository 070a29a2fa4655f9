package metric

// Part measures the answers that in names alone. z, right and in have the same
// length.
func Part(z []float32, right []uint8, in []bool) (Binary, error) {
	var some []float32
	var are []uint8
	for k, yes := range in {
		if yes {
			some, are = append(some, z[k]), append(are, right[k])
		}
	}
	return Compute(some, are)
}
