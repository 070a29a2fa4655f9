package train

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cohort/coordinator/wire"
	"cohort/dkt"
	"cohort/kernels"
)

// slow takes a while for each blob.
type slow struct {
	memory
	takes time.Duration
}

func (s *slow) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return "", 0, ctx.Err()
	}
	return s.memory.Put(ctx, r)
}

func TestSavesTakeATwentiethOfTheTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		takes time.Duration
		want  []int // epochs saved of 25 that come every 3.1 s, the last flushed
	}{
		{time.Millisecond, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25}},
		{time.Second, []int{1, 7, 13, 20, 25}},
		{15 * time.Second, []int{1}}, // rests a minute; the last is not waited for so long
	} {
		synctest.Test(t, func(t *testing.T) {
			var saved []int
			begin := time.Now()
			env := Env{
				Blobs: &slow{takes: c.takes}, Logger: slog.New(slog.DiscardHandler),
				Checkpoint: func(_ context.Context, c wire.Checkpoint) error {
					saved = append(saved, c.Epoch)
					return nil
				},
			}
			s := newSaver(t.Context(), env, 1)
			st := dkt.NewState(dkt.Config{Shape: kernels.Shape{Skills: 1, Embed: 1, Hidden: 1, Layers: 1}})
			epochs := time.NewTicker(3100 * time.Millisecond)
			defer epochs.Stop()
			for st.Epoch = 1; st.Epoch < 25; st.Epoch++ {
				s.offer(st.Clone())
				<-epochs.C
			}
			s.offer(st)
			at := time.Since(begin)
			s.finish(true)
			if !slices.Equal(saved, c.want) {
				t.Errorf("a save takes %v: saved %v, want %v", c.takes, saved, c.want)
			}
			if took := time.Since(begin) - at; took > saveWait {
				t.Errorf("the last save was waited for during %v", took)
			}
		})
	}
}
