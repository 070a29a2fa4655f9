package quality

import (
	"math"
	"slices"

	"cohort/kernels"
)

// The bootstrap's random numbers are Philox counters (replicate, side, block, 0)
// under this key, the same for every comparison.
const (
	driftSeed    uint32 = 1
	purposeDrift uint32 = 0x51_00_00_01
)

const (
	// replicates is how many pairs of samples are drawn.
	replicates = 999
	// above is how many of them may lie beyond the bound: with the comparison
	// itself, 5 in 1000. Half of what is promised (1 in 100), for the bootstrap
	// is exact in large samples only.
	above = 4
)

// bounds draws, from the accepted side alone, pairs of samples as large as the
// two sides, students whole: what the statistics are when nothing has changed.
// Each is taken from its mean in its deviations, and the bound is the deviation
// that the farthest statistic of a pair passes in above of the replicates
// (Westfall and Young 1993): all statistics together alarm that seldom.
func (f *frame) bounds(ref []unit, candidates int, tested [numStatistics]bool) (bound measure) {
	all := make([]measure, replicates)
	d := drawer{from: ref, met: make([]meeting, 1+f.rares)}
	for r := range all {
		d.replicate = uint32(r)
		d.accepted(len(ref))
		d.candidate(candidates)
		all[r] = f.measure(&d.b, &d.a).shape()
	}
	mean, deviation := spread(all, min(len(ref), candidates))
	farthest := make([]float64, replicates)
	for r, m := range all {
		farthest[r] = math.Inf(-1)
		for k := range m {
			if tested[k] {
				farthest[r] = max(farthest[r], (m[k]-mean[k])/deviation[k])
			}
		}
	}
	slices.Sort(farthest)
	c := farthest[replicates-1-above]
	floor := leastBounds(min(len(ref), candidates))
	for k := range bound {
		bound[k] = unshape(k, max(mean[k]+float64(c*deviation[k]), floor[k]))
	}
	return bound
}

// leastBounds are what a dozen of n students make, or half a dozen of skills, who
// are all of a kind that the other side lacks. Of a kind as rare as that the
// accepted side may by chance have hardly any, and the bootstrap, which knows
// that side alone, would take a few of them for a change.
func leastBounds(n int) measure {
	students := 12 / float64(n)
	psi := func(students float64) float64 { // of so many in a bin that is else empty
		return math.Sqrt(float64(students / float64(n) * kernels.Log(2*students+1)))
	}
	return measure{rateMean: 0, rateKS: students, ratePSI: psi(12), skillRate: psi(6), activityKS: students, skillPSI: psi(6)}
}

// drawer draws students with replacement, for both sides.
type drawer struct {
	from      []unit
	replicate uint32
	drawn     []*unit
	a, b      sums      // accepted, candidate
	met       []meeting // by rare skill; the mark is replicate + 1
}

// accepted draws n, and notes the rare skills among theirs.
func (d *drawer) accepted(n int) {
	d.draw(n, 0)
	d.a = sums{}
	for _, u := range d.drawn {
		d.a.add(u)
		u.note(d.met, d.replicate+1)
	}
	d.a.close(n)
}

// candidate draws n; to them, rare skills that no other student of accepted has are new.
func (d *drawer) candidate(n int) {
	d.draw(n, 1)
	d.b = sums{}
	for _, u := range d.drawn {
		d.b.addNew(u, d.met, d.replicate+1)
	}
	d.b.close(n)
}

func (d *drawer) draw(n int, side uint32) {
	key := [2]uint32{driftSeed, purposeDrift}
	d.drawn = d.drawn[:0]
	for k := 0; k < n; k += 4 {
		w := kernels.Philox(key, [4]uint32{d.replicate, side, uint32(k / 4), 0})
		for _, word := range w[:min(4, n-k)] {
			d.drawn = append(d.drawn, &d.from[uint64(word)*uint64(len(d.from))>>32])
		}
	}
}

// spread is the mean and standard deviation of each statistic; no deviation is
// less than what about one of the students makes, for where all of the accepted
// side are alike the bootstrap knows no chance at all.
func spread(all []measure, students int) (mean, deviation measure) {
	one := 1 / float64(students)
	root := float64(0.5 * math.Sqrt(one))
	least := measure{rateMean: one, rateKS: one, ratePSI: root, skillRate: root, activityKS: one, skillPSI: root}
	for k := range mean {
		for _, m := range all {
			mean[k] += m[k]
		}
		mean[k] /= float64(len(all))
		for _, m := range all {
			d := m[k] - mean[k]
			deviation[k] += float64(d * d)
		}
		deviation[k] = max(math.Sqrt(deviation[k]/float64(len(all)-1)), least[k])
	}
	return mean, deviation
}
