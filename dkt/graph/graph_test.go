package graph

import (
	"math"
	"math/rand/v2"
	"testing"

	"cohort/kernels"
)

// The graph's own derivative is held to differences of its own loss.
func TestTheGradientIsTheSlopeOfTheLoss(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, layers := range []int{1, 2} {
		p := kernels.NewParams(kernels.Shape{Skills: 3, Embed: 2, Hidden: 3, Layers: layers})
		for k := range p.Data {
			p.Data[k] = float32(r.NormFloat64() / 2)
		}
		seqs := []kernels.Sequence{
			{In: []int32{0, 4, 2}, Ask: []int32{1, 2, 2}, Right: []uint8{1, 0, 1}},
			{In: []int32{5}, Ask: []int32{0}, Right: []uint8{0}},
		}
		mask := func(_ kernels.Sequence, l, t, u int) float64 { return float64((l+t+u)%3) / 1.5 }
		_, grad, err := Gradients(p, LSTM, seqs, mask)
		if err != nil {
			t.Fatal(err)
		}
		for k := 0; k < len(p.Data); k += 5 {
			const h = 1.0 / 256
			at := p.Data[k]
			p.Data[k] = at + h
			high, _, err := Gradients(p, LSTM, seqs, mask)
			if err != nil {
				t.Fatal(err)
			}
			p.Data[k] = at - h
			low, _, err := Gradients(p, LSTM, seqs, mask)
			if err != nil {
				t.Fatal(err)
			}
			width := float64(at+h) - float64(at-h)
			p.Data[k] = at
			if slope := (high - low) / width; math.Abs(slope-grad[k]) > 1e-4 {
				t.Fatalf("%d layers, parameter %d: slope %g, gradient %g", layers, k, slope, grad[k])
			}
		}
	}
}

func TestABadShapeOrSequenceIsAnError(t *testing.T) {
	if _, _, err := Gradients(&kernels.Params{}, LSTM, []kernels.Sequence{{}}, Keep); err == nil {
		t.Error("an empty shape was taken")
	}
	p := kernels.NewParams(kernels.Shape{Skills: 1, Embed: 1, Hidden: 1, Layers: 1})
	if _, _, err := Gradients(p, LSTM, []kernels.Sequence{{}}, Keep); err == nil {
		t.Error("a sequence without steps was taken")
	}
}
