package train

import (
	"context"
	"sync"
	"time"

	"cohort/coordinator/wire"
	"cohort/dkt"
	"cohort/dkt/checkpoint"
)

// saveWait bounds the wait for the last checkpoint of a round that broke.
const saveWait = 2 * time.Second

// A saver rests pauses times as long as its last save took, at most maxRest: a
// save shares the cores with the training, and of a large model whose epochs
// are short not every epoch is worth one.
const (
	pauses  = 19
	maxRest = time.Minute
)

// saver makes training states durable in the background: training never waits
// for it. Of states that come faster than they are saved, the newest counts.
type saver struct {
	env    Env
	round  uint64
	next   chan *dkt.State // holds the newest state not begun
	last   chan struct{}   // closed: next is the last one, save it now
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex // guards below
	hash string     // of the last checkpoint saved
}

func newSaver(ctx context.Context, env Env, round uint64) *saver {
	ctx, cancel := context.WithCancel(ctx)
	s := &saver{env: env, round: round, next: make(chan *dkt.State, 1), last: make(chan struct{}), cancel: cancel}
	s.wg.Go(func() { s.run(ctx) })
	return s
}

// offer hands over a state that nobody else changes.
func (s *saver) offer(st *dkt.State) {
	for {
		select {
		case s.next <- st:
			return
		default:
		}
		select {
		case <-s.next: // older
		default:
		}
	}
}

func (s *saver) run(ctx context.Context) {
	for {
		select {
		case st, ok := <-s.next:
			if !ok {
				return
			}
			begin := time.Now()
			if err := s.save(ctx, st); err != nil && ctx.Err() == nil {
				s.env.Logger.Warn("checkpoint not saved", "epoch", st.Epoch, "error", err)
			}
			s.rest(ctx, min(pauses*time.Since(begin), maxRest))
		case <-ctx.Done():
			return
		}
	}
}

func (s *saver) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.last:
	case <-ctx.Done():
	}
}

func (s *saver) save(ctx context.Context, st *dkt.State) error {
	hash, err := putState(ctx, s.env, st)
	if err != nil {
		return err
	}
	c := wire.Checkpoint{Hash: hash, Epoch: st.Epoch, Step: st.Step, Round: s.round}
	if err := s.env.Checkpoint(ctx, c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hash = hash
	return nil
}

func putState(ctx context.Context, env Env, st *dkt.State) (string, error) {
	f, err := checkpoint.State(st)
	if err != nil {
		return "", err
	}
	hash, _, err := env.Blobs.Put(ctx, f)
	return hash, err
}

// finish ends the saver. With flush it first waits a little for the newest
// state: the next round starts there.
func (s *saver) finish(flush bool) {
	if flush {
		close(s.next)
		close(s.last)
		t := time.AfterFunc(saveWait, s.cancel)
		defer t.Stop()
		s.wg.Wait()
	}
	s.cancel()
	s.wg.Wait()
}
