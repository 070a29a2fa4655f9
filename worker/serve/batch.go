package serve

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"cohort/kernels/cpu"
)

// Errors of the batcher.
var (
	errBusy   = errors.New("too many sequences wait already: try again")
	errClosed = errors.New("the replica closes")
)

// Lanes is how many lanes so many cores are worth. One processor is left to
// requests: a lane computes without a pause, and would keep them waiting.
func Lanes(cores int) int { return max(1, min(cores, runtime.GOMAXPROCS(0)-1)) }

// batcher gives waiting runs to lanes. A lane takes one in at any step of those
// that it runs, so a run waits only where all slots are taken.
type batcher struct {
	queue   chan *work
	waiting atomic.Int64 // runs in queue
	lanes   sync.WaitGroup
	seen    func(together int) // runs side by side, whenever one comes in

	mu     sync.RWMutex // held while a request puts its runs into the queue
	closed bool
}

// work is a run of a request.
type work struct {
	run *cpu.Run
	of  *pending
}

// pending is a request whose runs are on their way.
type pending struct {
	ctx  context.Context //nolint:containedctx // of the request: lanes leave out what nobody waits for
	left atomic.Int64
	done chan struct{}
}

// newBatcher starts the lanes. Each is a goroutine that computes without a pause
// while there is work.
func newBatcher(m *model, threads, limit int, seen func(together int)) *batcher {
	b := &batcher{queue: make(chan *work, limit), seen: seen}
	for range threads {
		lane := m.NewLane()
		b.lanes.Go(func() { b.work(lane) })
	}
	return b
}

// run computes runs and waits until all have ended. It refuses with errBusy what
// does not fit into the queue, and gives up with ctx.
func (b *batcher) run(ctx context.Context, runs []*cpu.Run) error {
	p, err := b.put(ctx, runs)
	if err != nil {
		return err
	}
	return p.wait(runs)
}

func (p *pending) wait(runs []*cpu.Run) error {
	select {
	case <-p.done:
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	for _, r := range runs {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

func (b *batcher) put(ctx context.Context, runs []*cpu.Run) (*pending, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return nil, errClosed
	}
	if n := int64(len(runs)); b.waiting.Add(n) > int64(cap(b.queue)) {
		b.waiting.Add(-n)
		return nil, errBusy
	}
	p := &pending{ctx: ctx, done: make(chan struct{})}
	p.left.Store(int64(len(runs)))
	for _, r := range runs {
		b.queue <- &work{r, p} // has room: waiting counts no less than it holds
	}
	return p, nil
}

// close ends the lanes once the queue is empty.
func (b *batcher) close() {
	b.mu.Lock()
	b.closed = true
	close(b.queue)
	b.mu.Unlock()
	b.lanes.Wait()
}

func (p *pending) ended() {
	if p.left.Add(-1) == 0 {
		close(p.done)
	}
}

// fail ends a run that no lane ran.
func (w *work) fail(err error) {
	w.run.Err = err
	w.of.ended()
}

// work serves one lane: it waits for a run, then runs all that come until none is
// left.
func (b *batcher) work(lane *cpu.Lane) {
	under := map[*cpu.Run]*pending{}
	for first := range b.queue {
		b.waiting.Add(-1)
		next := func() *cpu.Run {
			w := first
			first = nil
			for w == nil || w.of.ctx.Err() != nil {
				if w != nil {
					w.fail(context.Cause(w.of.ctx)) // nobody waits for it
				}
				if w = b.poll(); w == nil {
					return nil
				}
			}
			under[w.run] = w.of
			b.seen(len(under))
			return w.run
		}
		err := lane.Serve(next, func(r *cpu.Run) {
			under[r].ended()
			delete(under, r)
		})
		if err != nil {
			first.fail(fmt.Errorf("kernels: %w", err)) // before any run came in
		}
	}
}

// poll takes a run that waits, if there is one.
func (b *batcher) poll() *work {
	select {
	case w := <-b.queue: // nil once it is closed
		if w != nil {
			b.waiting.Add(-1)
		}
		return w
	default:
		return nil
	}
}
