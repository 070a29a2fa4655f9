package cli

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"cohort/coordinator/wire"
)

// A buffer that the bars' goroutine and the test share.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func view(stages ...wire.StageView) wire.JobView {
	return wire.JobView{Job: wire.Job{ID: "j", Status: wire.Running}, Stages: stages}
}

func stageOf(name string, status wire.Status) wire.StageView {
	return wire.StageView{Stage: wire.Stage{Name: name, Status: status}}
}

func TestBarsShowStagesFiguresAndReasons(t *testing.T) {
	t.Parallel()
	var s screen
	b := newBars(&s, true)
	b.show(view(stageOf("import", wire.Running), stageOf("train", wire.Pending)))
	done := stageOf("import", wire.Done)
	done.Started, done.Ended = 1000, 64000
	j := view(done, stageOf("train", wire.Running))
	j.Progress = []wire.Progress{{Task: "j/train/0", Epoch: 2, Epochs: 4, Done: 5, Total: 20, Loss: 0.5, ValidAUC: 0.75, Rate: 1234}}
	b.show(j)
	b.say("a word in between")
	want := []string{"import", "done in 1m03s", "epoch 2/4 loss 0.5000 valid AUC 0.7500 1,234 answers/s", "a word in between", "\x1b[32m"}
	deadline := time.Now().Add(time.Minute)
	for _, part := range want {
		for !strings.Contains(s.String(), part) {
			if time.Now().After(deadline) {
				t.Fatalf("no %q in %q", part, s.String())
			}
			b.show(j)
		}
	}
	b.end()
}

func TestWordsFitNarrowTerminals(t *testing.T) {
	t.Parallel()
	s := &stageBar{parts: []string{"epoch 2/4", "loss 0.5000", "valid AUC 0.7500"}}
	for width, want := range map[int]string{
		0: " epoch 2/4 loss 0.5000 valid AUC 0.7500", 8: "", 12: " epoch 2/4", 40: " epoch 2/4 loss 0.5000", 80: " epoch 2/4 loss 0.5000 valid AUC 0.7500",
	} {
		if got := s.words(width); got != want {
			t.Errorf("%d columns: got %q, want %q", width, got, want)
		}
	}
}

func TestTimeLeftFollowsThePace(t *testing.T) {
	t.Parallel()
	s := &stageBar{start: time.Now().Add(-10 * time.Second), first: 0.1}
	for done, want := range map[float64]string{0.1: "", 0.2: "at most 1m20s left", 0.6: "at most 8s left"} {
		if got := s.left(done); got != want {
			t.Errorf("at %v: got %q, want %q", done, got, want)
		}
	}
}

func TestFinishedEpochsLagWhileTheyAreValidated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		r    []wire.Progress
		want int
	}{
		{"none", nil, 0},
		{"waiting", []wire.Progress{{Epochs: 4}}, 0},
		{"midst", []wire.Progress{{Epochs: 4, Done: 7, Total: 20}}, 1},
		{"validating", []wire.Progress{{Epochs: 4, Done: 10, Total: 20, Message: "validating"}}, 1},
		{"stopped early", []wire.Progress{{Epochs: 40, Epoch: 9, Done: 1, Total: 1, Message: "saving the weights"}}, 9},
		{"validated", []wire.Progress{{Epochs: 4, Done: 9, Total: 20}, {Epochs: 4, Done: 10, Total: 20}}, 2},
	} {
		if _, n := finished(c.r); n != c.want {
			t.Errorf("%s: got %d, want %d", c.name, n, c.want)
		}
	}
}

func TestReasonsAreSaidWhenTheyLast(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var p patience
	waiting := view(stageOf("import", wire.Done), stageOf("train", wire.Pending))
	waiting.Stages[1].Reason = "waits for\na worker"
	if _, ok := p.due(waiting, now); ok {
		t.Error("said at once")
	}
	if got, ok := p.due(waiting, now.Add(idleFor)); !ok || got != "waiting: train waits for a worker" {
		t.Errorf("got %q, %v", got, ok)
	}
	if _, ok := p.due(waiting, now.Add(2*idleFor)); ok {
		t.Error("said twice")
	}
	if got := reasonOf(view(stageOf("import", wire.Running), stageOf("train", wire.Pending))); got != "" {
		t.Errorf("a running job waits for %q", got)
	}
}

func TestSpansSizesAndNumbersForPeople(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 90 * time.Minute: "1h30m", 72 * time.Hour: "3d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{5: "5 B", 1536: "1.5 KiB", 3 << 20: "3.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := sized(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -123: "-123"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
	if got := oneLine(" a\nb\x00c" + strings.Repeat("x", 5000)); strings.ContainsAny(got, "\n\x00") || len(got) > 1010 {
		t.Errorf("got %d bytes", len(got))
	}
}
