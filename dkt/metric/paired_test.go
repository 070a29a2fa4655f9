package metric

import (
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

var seed = flag.Uint64("metric.seed", 1, "seed of the simulated classes")

// class simulates students of different ability whose answers two models predict
// with noise of their own, each with a bias for the student: a student's answers
// hang together.
func class(r *rand.Rand, students, answers int, candidate, baseline float64) Paired {
	var p Paired
	for s := range students {
		able, liked, disliked := r.NormFloat64(), r.NormFloat64(), r.NormFloat64()
		for range 1 + r.IntN(2*answers-1) {
			x := able + 0.8*r.NormFloat64()
			right := uint8(0)
			if r.Float64() < 1/(1+math.Exp(-x)) {
				right = 1
			}
			p.Candidate = append(p.Candidate, float32(x+candidate*(liked+r.NormFloat64())))
			p.Baseline = append(p.Baseline, float32(x+baseline*(disliked+r.NormFloat64())))
			p.Right, p.Student = append(p.Right, right), append(p.Student, int32(s))
		}
	}
	return p
}

// Of two hundred classes' intervals about 95 % hold the gain that very many
// students show.
func TestTheIntervalCoversTheTrueGain(t *testing.T) {
	t.Logf("seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, 7))
	truth, err := class(r, 40_000, 8, 0.4, 0.6).Bootstrap(1, 0)
	if !errors.Is(err, ErrFewResamples) || truth.Gain < 0.005 {
		t.Fatalf("%+v, %v", truth, err)
	}
	const replays = 200
	covered, left, right := 0, 0, 0
	for k := range replays {
		g, err := class(r, 80, 8, 0.4, 0.6).Bootstrap(uint32(k), 300)
		if err != nil {
			t.Fatal(err)
		}
		if g.Low > g.Gain || g.High < g.Gain {
			t.Errorf("replay %d: the gain %v lies outside %v to %v", k, g.Gain, g.Low, g.High)
		}
		switch {
		case truth.Gain < g.Low:
			left++
		case truth.Gain > g.High:
			right++
		default:
			covered++
		}
	}
	// 190 of 200 expected; the binomial's standard deviation is 3.
	if covered < 180 || covered > 198 || left == 0 || right == 0 {
		t.Errorf("the true gain %.4f is in %d of %d intervals, below %d, above %d", truth.Gain, covered, replays, left, right)
	}
}

// Asking each student everything three times over tells nothing new: an interval
// over answers would shrink, one over students does not move.
func TestRepeatedAnswersNarrowNothing(t *testing.T) {
	p := class(rand.New(rand.NewPCG(*seed, 8)), 60, 10, 0.3, 0.9)
	once, err := p.Bootstrap(5, 100)
	if err != nil {
		t.Fatal(err)
	}
	var thrice Paired
	for range 3 {
		thrice.Candidate, thrice.Baseline = append(thrice.Candidate, p.Candidate...), append(thrice.Baseline, p.Baseline...)
		thrice.Right, thrice.Student = append(thrice.Right, p.Right...), append(thrice.Student, p.Student...)
	}
	again, err := thrice.Bootstrap(5, 100)
	if err != nil || again != once {
		t.Errorf("%+v, then %+v (%v)", once, again, err)
	}
	if other, err := p.Bootstrap(6, 100); err != nil || other == once || other.Gain != once.Gain {
		t.Errorf("another seed: %+v, %v", other, err)
	}
	if same, err := p.Bootstrap(5, 100); err != nil || same != once {
		t.Errorf("the same seed: %+v, %v", same, err)
	}
	if g, err := (Paired{p.Candidate, p.Candidate, p.Right, p.Student}).Bootstrap(5, 100); err != nil || g != (Gain{Resamples: 100}) {
		t.Errorf("a model beside itself: %+v, %v", g, err)
	}
}

// A weighted pass is the AUC of the answers written out as often as they count.
func TestCountedAnswersAreAnswersWrittenOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		students := rapid.IntRange(1, 6).Draw(t, "students")
		n := rapid.IntRange(1, 30).Draw(t, "n")
		var p Paired
		for range n {
			p.Candidate = append(p.Candidate, float32(rapid.IntRange(-3, 3).Draw(t, "z")))
			p.Right = append(p.Right, uint8(rapid.IntRange(0, 1).Draw(t, "y")))
			p.Student = append(p.Student, int32(rapid.IntRange(0, students-1).Draw(t, "s")))
		}
		counts := rapid.SliceOfN(rapid.Int32Range(0, 3), students, students).Draw(t, "counts")
		var z []float32
		var right []uint8
		for k, s := range p.Student {
			for range counts[s] {
				z, right = append(z, p.Candidate[k]), append(right, p.Right[k])
			}
		}
		want, err := AUC(z, right)
		got, ok := newRanking(p.Candidate, p).auc(counts)
		if ok != (err == nil) || got != want {
			t.Fatalf("%v, %v; written out %v, %v", got, ok, want, err)
		}
	})
}

func TestADrawIsOfAsManyStudentsWithReplacement(t *testing.T) {
	counts := make([]int32, 1000)
	mean := make([]float64, len(counts))
	const draws = 400
	for k := range draws {
		draw(counts, 3, uint32(k))
		sum := int32(0)
		for s, n := range counts {
			sum += n
			mean[s] += float64(n) / draws
		}
		if sum != 1000 {
			t.Fatalf("draw %d is of %d students", k, sum)
		}
	}
	for s, m := range mean {
		if math.Abs(m-1) > 0.3 {
			t.Errorf("student %d is drawn %.2f times on average", s, m)
		}
	}
}

func TestQuantilesLieBetweenNeighbours(t *testing.T) {
	v := []float64{0, 10, 20, 40}
	for q, want := range map[float64]float64{0: 0, 1: 40, 0.5: 15, 0.9: 34} {
		if got := quantile(v, q); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
}

func TestPairsThatCannotBeCompared(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		p    Paired
		want error // nil: any
	}{
		"empty":    {Paired{}, ErrEmpty},
		"lengths":  {Paired{Candidate: []float32{1}, Right: []uint8{1}}, nil},
		"nan":      {Paired{[]float32{nan}, []float32{1}, []uint8{1}, []int32{0}}, nil},
		"negative": {Paired{[]float32{1}, []float32{1}, []uint8{1}, []int32{-1}}, nil},
		"class":    {Paired{[]float32{1, 2}, []float32{1, 2}, []uint8{1, 1}, []int32{0, 1}}, ErrOneClass},
		"hopeless": {Paired{[]float32{1, 2}, []float32{2, 1}, []uint8{0, 1}, []int32{0, 0}}, ErrOneClass},
		"few":      {Paired{[]float32{1, 2}, []float32{1, 2}, []uint8{0, 1}, []int32{0, 9}}, ErrFewResamples},
	} {
		if _, err := c.p.Bootstrap(1, 50); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestTheCalibrationTableSumsUpToTheError(t *testing.T) {
	p := class(rand.New(rand.NewPCG(*seed, 9)), 200, 20, 0.5, 0.5)
	b, err := Compute(p.Candidate, p.Right)
	if err != nil {
		t.Fatal(err)
	}
	table := Calibration(p.Candidate, p.Right)
	var gap float64
	var n int64
	for k, bin := range table {
		if bin.Answers > 0 && (bin.Predicted < bin.Low || bin.Predicted > bin.High) || bin.High-bin.Low < 0.099 || bin.Observed < 0 || bin.Observed > 1 {
			t.Errorf("bin %d: %+v", k, bin)
		}
		gap += float64(bin.Answers) * math.Abs(bin.Predicted-bin.Observed)
		n += bin.Answers
	}
	if len(table) != 10 || n != b.Answers || math.Abs(gap/float64(n)-b.Calibration) > 1e-12 {
		t.Errorf("%d bins of %d answers, error %v; want %d, %v", len(table), n, gap/float64(n), b.Answers, b.Calibration)
	}
}

func TestAPartIsMeasuredAlone(t *testing.T) {
	z, right := []float32{3, -1, 2, -2}, []uint8{1, 0, 0, 1}
	got, err := Part(z, right, []bool{true, true, false, false})
	if err != nil || got.AUC != 1 || got.Answers != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Part(z, right, []bool{true, false, false, true}); !errors.Is(err, ErrOneClass) {
		t.Error(err)
	}
	if _, err := Part(z, right, make([]bool, 4)); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
}
