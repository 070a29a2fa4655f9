package metric

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestAUCCountsPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "n")
		z, right := make([]float32, n), make([]uint8, n)
		for k := range z {
			z[k] = float32(rapid.IntRange(-4, 4).Draw(t, "z")) / 2
			right[k] = uint8(rapid.IntRange(0, 1).Draw(t, "y"))
		}
		var pairs, won float64
		for i := range z {
			for j := range z {
				if right[i] == 1 && right[j] == 0 {
					pairs++
					switch {
					case z[i] > z[j]:
						won++
					case z[i] == z[j]:
						won += 0.5
					}
				}
			}
		}
		got, err := AUC(z, right)
		if pairs == 0 {
			if !errors.Is(err, ErrOneClass) {
				t.Fatalf("one class: %v", err)
			}
			return
		}
		if err != nil || got != won/pairs {
			t.Fatalf("AUC %v (%v), pairs say %v", got, err, won/pairs)
		}
	})
}

func TestMeasuresOfAKnownTable(t *testing.T) {
	logit := func(p float64) float32 { return float32(math.Log(p / (1 - p))) }
	z := []float32{logit(0.9), logit(0.8), logit(0.3), logit(0.6), 0}
	right := []uint8{1, 0, 0, 1, 1}
	b, err := Compute(z, right)
	if err != nil {
		t.Fatal(err)
	}
	loss := -(math.Log(0.9) + math.Log(0.2) + math.Log(0.7) + math.Log(0.6) + math.Log(0.5)) / 5
	gap := (0.1 + 0.8 + 0.3 + 0.4 + 0.5) / 5
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"auc", b.AUC, 4.0 / 6},
		{"accuracy", b.Accuracy, 4.0 / 5},
		{"f1", b.F1, 2 * 3.0 / (4 + 3)},
		{"log-loss", b.LogLoss, loss},
		{"calibration", b.Calibration, gap},
		{"answers", float64(b.Answers), 5},
	} {
		if math.Abs(c.got-c.want) > 1e-6 {
			t.Errorf("%s is %g, want %g", c.name, c.got, c.want)
		}
	}
}

func TestExtremeLogitsStayFinite(t *testing.T) {
	b, err := Compute([]float32{3e38, -3e38, 3e38, -3e38}, []uint8{1, 0, 0, 1})
	if err != nil || math.IsNaN(b.LogLoss) || b.AUC != 0.5 || b.Accuracy != 0.5 {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestBadInputIsAnError(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		z     []float32
		right []uint8
	}{
		"empty":     {nil, nil},
		"lengths":   {[]float32{1}, nil},
		"one-class": {[]float32{1, 2}, []uint8{1, 1}},
		"nan":       {[]float32{1, nan}, []uint8{1, 0}},
	} {
		if b, err := Compute(c.z, c.right); err == nil {
			t.Errorf("%s: %+v without an error", name, b)
		}
	}
}
