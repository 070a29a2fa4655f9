package quality

import (
	"math"
	"testing"
)

func TestStatisticsOfKnownHistograms(t *testing.T) {
	a, b := []int64{1, 2, 1, 0}, []int64{0, 2, 2, 4}
	if up, down := ks(a, b, 4, 8), ks(b, a, 8, 4); up != 0.5 || down != 0.5 {
		t.Errorf("KS is %v one way and %v the other, not 0.5", up, down)
	}
	if ks(a, []int64{2, 4, 2, 0}, 4, 8) != 0 || psi(a, []int64{2, 4, 2, 0}, 0.5, 1) != 0 {
		t.Error("equal shares differ")
	}
	want := 0.25*math.Log(0.5/0.25) + 0.25*math.Log(0.75/0.5)
	if got := psi([]int64{2, 2}, []int64{1, 3}, 0, 0); math.Abs(got-want) > 1e-15 {
		t.Errorf("PSI is %v, not %v", got, want)
	}
	if got := psi([]int64{4, 0}, []int64{2, 2}, 0.5, 0.5); math.IsInf(got, 0) || got < 0.5 {
		t.Errorf("PSI with an empty bin is %v", got)
	}
	f := &frame{bins: 3}
	x, y := new(sums), new(sums)
	x.n, x.right = [33]int64{0, 100, 100}, [33]int64{0, 50, 50}
	y.n, y.right = [33]int64{0, 100, 100}, [33]int64{0, 50, 75}
	x.close(1 << 40) // so that smoothing shows in no digit
	y.close(1 << 40)
	want = 0.5 * 0.25 * math.Log(3)
	if got := f.skillRate(x, y); math.Abs(got-want) > 1e-9 {
		t.Errorf("PSI within skills is %v, not %v", got, want)
	}
}

func TestNobodyCountsForMoreThanThirtyTwoAnswers(t *testing.T) {
	for _, c := range [][3]int64{{5, 32, 5 << 16}, {0, 9, 0}, {64, 64, 32 << 16}, {16, 64, 8 << 16}, {maxCount, maxCount, 32 << 16}} {
		if got := weigh(c[0], c[1]); got != c[2] {
			t.Errorf("%d of %d answers weigh %d, not %d", c[0], c[1], got, c[2])
		}
	}
}

func TestCellsRiseWithWhatTheyHold(t *testing.T) {
	last := uint8(0)
	for n := int64(1); n <= maxCount; n += 1 + n/64 {
		c := activityCell(n)
		if c < last || c > last+1 {
			t.Fatalf("%d answers are in cell %d, fewer in %d", n, c, last)
		}
		last = c
	}
	if rateCell(0, 7) != 0 || rateCell(7, 7) != rateCells-1 || rateCell(1, 2) != 64 || activityCell(maxCount) >= activityCells-1 {
		t.Error("cells out of place")
	}
}

// Where all of the accepted side are alike the bootstrap knows no chance.
func TestNoBoundIsLessThanAFewStudentsMake(t *testing.T) {
	ref := make([]unit, 60)
	for k := range ref {
		ref[k] = unit{rate: 64, activity: 9, skills: []binAnswers{{bin: 1, n: 9 << 16, right: 4 << 16}}}
	}
	f := &frame{bins: 2}
	f.tenth, f.tenths = tenths(ref)
	with := func(odd int) measure {
		cand := append([]unit{}, ref...)
		for k := range odd {
			cand[k] = unit{rate: 128, activity: 50, skills: []binAnswers{{bin: unseenBin, n: 9 << 16, right: 9 << 16}}}
		}
		return f.measure(sumOf(cand), sumOf(ref))
	}
	bound := f.bounds(ref, len(ref), [numStatistics]bool{true, true, true, true, true, true})
	for k, few := range map[int]int{rateKS: 12, activityKS: 12, ratePSI: 11, skillPSI: 5} {
		if v := with(few)[k]; v > bound[k] {
			t.Errorf("%s: %d of 60 students make %v, above %v", statisticNames()[k][1], few, v, bound[k])
		}
		if v := with(few + 4)[k]; v <= bound[k] {
			t.Errorf("%s: %d of 60 students make %v, not above %v", statisticNames()[k][1], few+4, v, bound[k])
		}
	}
}
