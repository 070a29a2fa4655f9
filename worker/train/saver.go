package train

import (
	"bytes"
	"context"
	"sync"
	"time"

	"cohort/coordinator/wire"
	"cohort/dkt"
	"cohort/dkt/checkpoint"
)

// saveWait bounds the wait for the last checkpoint of a round that broke.
const saveWait = 2 * time.Second

// saver makes training states durable in the background: training never waits
// for it. Of states that come faster than they can be saved, the newest counts.
type saver struct {
	env    Env
	round  uint64
	next   chan *dkt.State // holds the newest state not begun
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex // guards below
	hash string     // of the last checkpoint saved
}

func newSaver(ctx context.Context, env Env, round uint64) *saver {
	ctx, cancel := context.WithCancel(ctx)
	s := &saver{env: env, round: round, next: make(chan *dkt.State, 1), cancel: cancel}
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
			if err := s.save(ctx, st); err != nil && ctx.Err() == nil {
				s.env.Logger.Warn("checkpoint not saved", "epoch", st.Epoch, "error", err)
			}
		case <-ctx.Done():
			return
		}
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
	var b bytes.Buffer
	if err := checkpoint.WriteState(&b, st); err != nil {
		return "", err
	}
	hash, _, err := env.Blobs.Put(ctx, bytes.NewReader(b.Bytes()))
	return hash, err
}

// finish ends the saver. With flush it first waits a little for the newest
// state: the next round starts there.
func (s *saver) finish(flush bool) {
	if flush {
		close(s.next)
		t := time.AfterFunc(saveWait, s.cancel)
		defer t.Stop()
		s.wg.Wait()
	}
	s.cancel()
	s.wg.Wait()
}
