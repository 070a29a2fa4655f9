package notify

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"cohort/coordinator/alert"
	"cohort/coordinator/wire"
)

// Pauses after a failed attempt: the first, doubled up to the last.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

// Courier gives notices to receivers, each in a goroutine of its own.
type Courier struct {
	boxes []*box
	wg    sync.WaitGroup
}

// Start starts a courier, which ends with ctx.
func Start(ctx context.Context, receivers []Named, log *slog.Logger) *Courier {
	c := &Courier{}
	for _, r := range receivers {
		b := &box{to: r, log: log.With("receiver", r.Name), wake: make(chan struct{}, 1), told: map[string]int64{}}
		c.boxes = append(c.boxes, b)
		c.wg.Go(func() { b.run(ctx) })
	}
	return c
}

// Wait returns when the courier has ended.
func (c *Courier) Wait() { c.wg.Wait() }

// Receivers are their names.
func (c *Courier) Receivers() []string {
	names := make([]string, len(c.boxes))
	for k, b := range c.boxes {
		names[k] = b.to.Name
	}
	return names
}

// Sync says what is to be told now; what is not in due any more is not told.
func (c *Courier) Sync(due []alert.Notice) {
	for _, b := range c.boxes {
		b.sync(due)
	}
}

// Told is what receivers took, or a silence held back, and that Kept has not been
// called for: receiver → incident → time.
func (c *Courier) Told() map[string]map[string]int64 {
	all := map[string]map[string]int64{}
	for _, b := range c.boxes {
		b.mu.Lock()
		all[b.to.Name] = maps.Clone(b.told)
		b.mu.Unlock()
	}
	return all
}

// Kept forgets what the state holds.
func (c *Courier) Kept(told wire.Told) {
	for _, b := range c.boxes {
		if b.to.Name != told.Receiver {
			continue
		}
		b.mu.Lock()
		if b.told[told.ID] <= told.At {
			delete(b.told, told.ID)
		}
		b.mu.Unlock()
	}
}

// box is a receiver's mail.
type box struct {
	to   Named
	log  *slog.Logger
	wake chan struct{}

	mu   sync.Mutex // guards below
	due  []alert.Notice
	told map[string]int64 // incident → when it was told
}

func (b *box) sync(due []alert.Notice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due = b.due[:0]
	for _, n := range due {
		switch {
		case n.Receiver != b.to.Name:
		case n.Held:
			b.told[n.Alert.ID] = max(b.told[n.Alert.ID], n.At)
		default:
			b.due = append(b.due, n)
		}
	}
	slices.SortStableFunc(b.due, func(x, y alert.Notice) int { return cmp.Compare(x.Alert.Since, y.Alert.Since) })
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// next is the oldest notice that is due, and was not told after it was decided.
func (b *box) next() (alert.Notice, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.due {
		if b.told[n.Alert.ID] <= n.After {
			return n, true
		}
	}
	return alert.Notice{}, false
}

func (b *box) run(ctx context.Context) {
	wait := time.Duration(0)
	for {
		n, ok := b.next()
		if !ok || wait > 0 {
			if !b.pause(ctx, wait) {
				return
			}
			if n, ok = b.next(); !ok {
				wait = 0
				continue
			}
		}
		wait = b.give(ctx, n, wait)
		if ctx.Err() != nil {
			return
		}
	}
}

// pause waits so long, or, where there is nothing to do, until there is.
func (b *box) pause(ctx context.Context, wait time.Duration) bool {
	wake := b.wake
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		wake, over = nil, timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-over:
	}
	return true
}

// give tries once, and answers how long to wait then.
func (b *box) give(ctx context.Context, n alert.Notice, waited time.Duration) time.Duration {
	timeout := b.to.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	call, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := b.to.Send(call, n); err != nil {
		if ctx.Err() == nil {
			b.log.Warn("a notice was not delivered, it is tried again", "alert", n.Alert.ID, "error", err)
		}
		return min(max(2*waited, firstPause), lastPause)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told[n.Alert.ID] = max(b.told[n.Alert.ID], n.At)
	b.log.Info("notice delivered", "alert", n.Alert.ID, "kind", string(n.Kind))
	return 0
}
