package serve

import (
	"context"
	"errors"
	"testing"

	"cohort/dkt/infer"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

// A request that ran out of time, whose sequences no lane ran, is not answered
// with what they hold, whichever its end is seen by.
func TestWhatNoLaneRanIsNoAnswer(t *testing.T) {
	p := kernels.NewParams(kernels.Shape{Skills: 2, Hidden: 4, Layers: 1})
	m, err := infer.New(p, 8, cpu.Portable)
	if err != nil {
		t.Fatal(err)
	}
	b := newBatcher(&model{Model: m}, 1, 64, func(int) {})
	defer b.close()
	late := errors.New("time is up")
	for range 64 { // were it one of two at random, once would not show it
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(late)
		runs := []*cpu.Run{m.Whole([]int32{1, 2}), m.Whole([]int32{3})}
		w, err := b.put(ctx, runs)
		if err != nil {
			t.Fatal(err)
		}
		<-w.done
		if err := w.wait(runs); !errors.Is(err, late) {
			t.Fatalf("got %v", err)
		}
	}
}
