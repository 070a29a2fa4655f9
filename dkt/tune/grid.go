package tune

import (
	"cmp"
	"slices"
)

// maxGrid is the number of points of a grid at most.
const maxGrid = 1 << 20

// gridSize is the number of points, or some number above maxGrid.
func gridSize(domains []domain) int {
	size := 1
	for _, d := range domains {
		if size *= d.count(); size > maxGrid {
			break
		}
	}
	return size
}

// gridPoints is every point in the order of the study: by a draw of the point's
// place, so that a study that ends early has been everywhere.
func (s Study) gridPoints(domains []domain) [][]float64 {
	points := make([][]float64, gridSize(domains))
	draws, order := make([]uint64, len(points)), make([]int, len(points))
	for k := range points {
		c := newStream(s.Seed, k, "")
		draws[k], order[k] = uint64(c.word())<<32|uint64(c.word()), k
		points[k] = make([]float64, len(domains))
		at := k
		for j, d := range domains {
			points[k][j] = d.at(at % d.count())
			at /= d.count()
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(draws[a], draws[b]), cmp.Compare(a, b)) })
	out := make([][]float64, len(points))
	for k, from := range order {
		out[k] = points[from]
	}
	return out
}
