package quality

import (
	"math"

	"cohort/kernels"
)

// The statistics. All are 0 for equal sides, and larger the farther they are apart.
const (
	rateMean   = iota // difference of the share right
	rateKS            // of the students' proportion right
	ratePSI           // of the students by tenths of the proportion right
	skillRate         // PSI of right and wrong within bins of skills
	activityKS        // of the students' number of answers
	skillPSI          // of the answers by bins of skills
	numStatistics
)

// measure is one value for each statistic; NaN is never among them.
type measure [numStatistics]float64

// frame is how two sides are measured.
type frame struct {
	bins   int // of skills
	rares  int // rare skills
	tenth  [rateCells]uint8
	tenths int
}

func (f *frame) measure(a, b *sums) (m measure) {
	m[rateMean] = math.Abs(a.answerRate() - b.answerRate())
	m[rateKS] = ks(a.rate[:], b.rate[:], a.students, b.students)
	m[activityKS] = ks(a.activity[:], b.activity[:], a.students, b.students)
	m[skillPSI] = psi(a.n[:f.bins], b.n[:f.bins], a.smooth(), b.smooth())
	m[skillRate] = f.skillRate(a, b)
	var tenths [2][10]int64
	for side, s := range [2]*sums{a, b} {
		for c, n := range s.rate {
			tenths[side][f.tenth[c]] += n
		}
	}
	m[ratePSI] = psi(tenths[0][:f.tenths], tenths[1][:f.tenths], 0.5, 0.5)
	return m
}

// smooth is half a student's weight: what every bin is given, so that an empty
// one has a logarithm, and weighs little.
func (s *sums) smooth() float64 { return float64(s.all) / float64(2*s.students) }

// ks is the Kolmogorov–Smirnov distance of two histograms of na and nb.
func ks(a, b []int64, na, nb int64) float64 {
	var ca, cb, most int64
	for k := range a {
		ca += a[k]
		cb += b[k]
		d := ca*nb - cb*na
		most = max(most, d, -d)
	}
	return float64(most) / float64(na*nb)
}

// psi is the population stability index, Σ (p − q)·log(p/q), of two histograms
// whose bins are given sa and sb each.
func psi(a, b []int64, sa, sb float64) float64 {
	na, nb := float64(sa*float64(len(a))), float64(sb*float64(len(b)))
	for k := range a {
		na += float64(a[k])
		nb += float64(b[k])
	}
	sum := 0.0
	for k := range a {
		p, q := (float64(a[k])+sa)/na, (float64(b[k])+sb)/nb
		sum += float64((p - q) * kernels.Log(p/q))
	}
	return sum
}

// skillRate is the PSI of right against wrong in each bin, weighed by the bin's
// share of the answers.
func (f *frame) skillRate(a, b *sums) float64 {
	sa, sb := a.smooth(), b.smooth()
	sum := 0.0
	for k := int(unseenBin) + 1; k < f.bins; k++ {
		p := (float64(a.right[k]) + sa) / (float64(a.n[k]) + float64(2*sa))
		q := (float64(b.right[k]) + sb) / (float64(b.n[k]) + float64(2*sb))
		weight := float64(0.5 * (share(a.n[k], a.all) + share(b.n[k], b.all)))
		log := kernels.Log(float64(p*(1-q)) / float64(q*(1-p)))
		sum += float64(weight * float64((p-q)*log))
	}
	return sum
}

// shape brings a measure to where a statistic's chance values are nearly normal:
// of a PSI, which is a sum of squares, the root.
func (m measure) shape() measure {
	for _, k := range [...]int{ratePSI, skillRate, skillPSI} {
		m[k] = math.Sqrt(max(m[k], 0))
	}
	return m
}

// unshape undoes shape.
func unshape(statistic int, v float64) float64 {
	switch statistic {
	case ratePSI, skillRate, skillPSI:
		return float64(v * v)
	}
	return v
}
