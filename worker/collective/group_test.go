package collective

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vectors are one random vector for each of w members, and their plain sum.
func vectors(seed uint64, w, n int) (parts [][]int64, sum []int64) {
	r := rand.New(rand.NewPCG(seed, uint64(w)))
	sum = make([]int64, n)
	for range w {
		v := make([]int64, n)
		for i := range v {
			v[i] = r.Int64() - r.Int64() // wraps: the sum is exact modulo 2^64
			sum[i] += v[i]
		}
		parts = append(parts, v)
	}
	return parts, sum
}

func TestReduceIsThePlainSum(t *testing.T) {
	t.Parallel()
	tt := t
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.IntRange(1, 8).Draw(t, "members")
		c := newCluster(tt, w, false)
		defer c.close(tt)
		groups := c.join(tt, 7)
		defer closeAll(tt, groups)
		for step := range rapid.IntRange(1, 4).Draw(t, "steps") {
			n := rapid.IntRange(0, 300).Draw(t, "values")
			parts, sum := vectors(rapid.Uint64().Draw(t, "seed"), w, n)
			errs := each(w, func(rank int) error {
				return groups[rank].Reduce(context.Background(), 3, uint32(step), parts[rank])
			})
			for rank := range w {
				if errs[rank] != nil || !slices.Equal(parts[rank], sum) {
					t.Fatalf("member %d of %d, step %d, %d values: %v, sum wrong: %v", rank, w, step, n, errs[rank], !slices.Equal(parts[rank], sum))
				}
			}
		}
	})
}

func TestManyChunksOverTCP(t *testing.T) {
	t.Parallel()
	const w = 3
	c := newCluster(t, w, true)
	defer c.close(t)
	groups := c.join(t, 1)
	for step := range 3 {
		parts, sum := vectors(uint64(step), w, 5*chunkVals+17)
		errs := each(w, func(rank int) error { return groups[rank].Reduce(t.Context(), 1, uint32(step), parts[rank]) })
		for rank := range w {
			if errs[rank] != nil || !slices.Equal(parts[rank], sum) {
				t.Fatalf("member %d, step %d: %v", rank, step, errs[rank])
			}
		}
	}
	closeAll(t, groups)
	if err := groups[0].Reduce(t.Context(), 1, 9, make([]int64, 4)); !errors.Is(err, ErrClosed) {
		t.Errorf("Reduce after Close: %v", err)
	}
}

// A member that ends at once after the last reduction takes nothing from those
// that are still busy with it.
func TestTheFirstToFinishMayLeave(t *testing.T) {
	t.Parallel()
	const w = 4
	c := newCluster(t, w, true)
	defer c.close(t)
	for round := range 20 {
		groups := c.join(t, uint64(round+1))
		parts, sum := vectors(uint64(round), w, 40_000)
		errs := each(w, func(rank int) error {
			err := groups[rank].Reduce(t.Context(), 0, 0, parts[rank])
			return errors.Join(err, groups[rank].Close())
		})
		for rank := range w {
			if errs[rank] != nil || !slices.Equal(parts[rank], sum) {
				t.Fatalf("round %d, member %d: %v", round, rank, errs[rank])
			}
		}
	}
}

// blames fails the test unless err names the rank.
func blames(t *testing.T, who int, err error, rank int) {
	t.Helper()
	lost, ok := errors.AsType[*PeerLostError](err)
	if !ok || lost.Rank != rank || lost.Task != fmt.Sprint("job/train/", rank) {
		t.Errorf("member %d: %v; want the loss of member %d", who, err, rank)
	}
}

// kill closes a member's connections without a word, as the system does for a
// process that dies.
func (g *Group) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = errors.New("killed")
	for _, p := range g.peers {
		closeConn(p.conn)
	}
	close(g.failed)
}

func TestAKilledMemberEndsTheRoundAtOnceForAll(t *testing.T) {
	t.Parallel()
	const w = 4
	c := newCluster(t, w, true)
	defer c.close(t)
	groups := c.join(t, 1)
	defer closeAll(t, groups)
	within(t, atOnce, func() {
		errs := each(w, func(rank int) error {
			if rank == 1 {
				time.AfterFunc(20*time.Millisecond, groups[1].kill)
				return nil
			}
			return groups[rank].Reduce(t.Context(), 1, 1, make([]int64, 1000))
		})
		for rank, err := range errs {
			if rank != 1 {
				blames(t, rank, err, 1)
			}
		}
	})
	if err := groups[0].Reduce(t.Context(), 1, 2, make([]int64, 10)); err == nil {
		t.Error("a group that failed reduced again")
	}
}

// A member that has lost another tells the third whom to blame.
func TestTheCulpritIsNamedNotTheMessenger(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, true)
	defer c.close(t)
	groups := c.join(t, 1)
	defer closeAll(t, groups)
	groups[0].mu.Lock()
	groups[0].err = errors.New("paused") // it says nothing more
	groups[0].mu.Unlock()
	groups[2].fail(&PeerLostError{Rank: 0, Task: "job/train/0", Err: errors.New("silent")})
	blames(t, 1, groups[1].Reduce(t.Context(), 1, 1, make([]int64, 9)), 0)
}

func TestALossIsSeenWhileComputing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, true)
	defer c.close(t)
	groups := c.join(t, 1)
	defer closeAll(t, groups)
	groups[2].kill()
	for _, g := range groups[:2] {
		select {
		case <-g.failed:
			blames(t, g.rank, g.failure(), 2)
		case <-time.After(atOnce):
			t.Fatalf("member %d did not notice", g.rank)
		}
	}
}

func TestCancelAndCloseEndTheRoundForAll(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"cancel", "close"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 3, true)
			defer c.close(t)
			groups := c.join(t, 1)
			defer closeAll(t, groups)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			within(t, atOnce, func() {
				errs := each(3, func(rank int) error {
					switch {
					case rank != 0: // member 0 waits for the others
						pass(50 * time.Millisecond)
						if rank == 2 && how == "close" {
							return groups[0].Close()
						}
						if rank == 2 {
							cancel()
							return nil
						}
					}
					return groups[rank].Reduce(ctx, 1, 1, make([]int64, 1000))
				})
				if how == "cancel" && !errors.Is(errs[0], context.Canceled) || how == "close" && !errors.Is(errs[0], ErrClosed) {
					t.Errorf("member 0: %v", errs[0])
				}
				if how == "close" {
					blames(t, 1, errs[1], 0)
				}
			})
		})
	}
}

// Simulated time: a member that computes for an hour beats and is waited for;
// one that is paused is lost after the stall.
func TestSlowIsNotSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, false)
		defer c.close(t)
		groups := c.join(t, 1)
		defer closeAll(t, groups)
		parts, sum := vectors(1, 3, 100)
		errs := each(3, func(rank int) error {
			if rank == 2 {
				pass(time.Hour)
			}
			return groups[rank].Reduce(t.Context(), 1, 1, parts[rank])
		})
		for rank, err := range errs {
			if err != nil || !slices.Equal(parts[rank], sum) {
				t.Errorf("member %d: %v", rank, err)
			}
		}
	})
}

func TestASilentMemberIsLostAfterTheStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, false)
		defer c.close(t)
		// Member 0 says hello by hand and falls silent.
		mute := make(chan error, 1)
		callers, release, err := c.hubs[0].expect(seat{stageKey("job", "train"), 0}, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		go func() {
			a := <-callers
			g := &Group{stage: stageKey("job", "train"), round: 1, members: c.config(0, 1).Round.Members, timings: DefaultTimings()}
			mute <- g.hello(a.conn, 1)
		}()
		g, err := Join(t.Context(), c.config(1, 1))
		if err := errors.Join(err, <-mute); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		blames(t, 1, g.Reduce(t.Context(), 1, 1, make([]int64, 10)), 0)
		if d := time.Since(begin); d < 9*time.Second || d > 21*time.Second {
			t.Errorf("lost after %s", d)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMembersThatDisagreeAreTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step uint32
		n    int
	}{"step": {2, 100}, "length": {1, 99}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := newCluster(t, 2, true)
			defer cl.close(t)
			groups := cl.join(t, 1)
			defer closeAll(t, groups)
			errs := each(2, func(rank int) error {
				if rank == 0 {
					return groups[0].Reduce(t.Context(), 1, 1, make([]int64, 100))
				}
				return groups[1].Reduce(t.Context(), 1, c.step, make([]int64, c.n))
			})
			if errs[0] == nil || errs[1] == nil || !errors.Is(errors.Join(errs...), ErrDiverged) {
				t.Errorf("errors: %v", errs)
			}
		})
	}
}

func TestReduceAllocatesLittle(t *testing.T) {
	const w, n = 2, 100_000
	c := newCluster(t, w, true)
	defer c.close(t)
	groups := c.join(t, 1)
	defer closeAll(t, groups)
	steps := make(chan uint32)
	done := make(chan error)
	other := make([]int64, n)
	go func() {
		for s := range steps {
			done <- groups[1].Reduce(context.Background(), 0, s, other)
		}
	}()
	v := make([]int64, n)
	step := uint32(0)
	got := testing.AllocsPerRun(20, func() {
		step++
		steps <- step
		if err := errors.Join(groups[0].Reduce(context.Background(), 0, step, v), <-done); err != nil {
			t.Fatal(err)
		}
	})
	close(steps)
	if got > 40 {
		t.Errorf("%v allocations a reduction", got)
	}
}

func BenchmarkReduce(b *testing.B) {
	for _, w := range []int{2, 4} {
		for _, n := range []int{2, 400_000} {
			b.Run(fmt.Sprintf("members=%d/values=%d", w, n), func(b *testing.B) {
				c := newCluster(b, w, true)
				defer c.close(b)
				groups := c.join(b, 1)
				defer closeAll(b, groups)
				b.SetBytes(int64(8 * n))
				b.ResetTimer()
				errs := each(w, func(rank int) error {
					v := make([]int64, n)
					for i := range b.N {
						if err := groups[rank].Reduce(b.Context(), 0, uint32(i), v); err != nil {
							return err
						}
					}
					return nil
				})
				if err := errors.Join(errs...); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
