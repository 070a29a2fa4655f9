package quality

import (
	"fmt"
	"testing"

	"cohort/dataplane"
)

// FuzzProfile reads arbitrary bytes; a profile that is taken can be compared.
func FuzzProfile(f *testing.F) {
	for _, at := range []int64{0, 1_700_000_000_000} {
		c, err := New(Input{At: at})
		if err != nil {
			f.Fatal(err)
		}
		for k := range int64(40) {
			if err := c.Event(dataplane.Event{
				Student: fmt.Sprint("s", k/8), Time: at*millisecond - day*(50-k), Skill: fmt.Sprint(k % 3), Correct: k%2 == 0,
			}); err != nil {
				f.Fatal(err)
			}
		}
		_, p := c.Finish()
		data, err := p.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := DecodeProfile(data)
		if err != nil {
			return
		}
		if again, err := p.Encode(); err != nil {
			t.Error(err)
		} else if _, err := DecodeProfile(again); err != nil {
			t.Errorf("what was encoded is refused: %v", err)
		}
		both := pair(p, p)
		if len(both.ref) == 0 {
			return
		}
		frame, ref, cand := both.units(p.Skills, p.Skills)
		if m := frame.measure(sumOf(cand), sumOf(ref)); m != (measure{}) {
			t.Errorf("a profile drifts from itself: %v", m)
		}
	})
}
