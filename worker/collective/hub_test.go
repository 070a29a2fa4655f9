package collective

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestACallerWaitsForTheRoundToBeJoined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, false)
		defer c.close(t)
		groups := make([]*Group, 2)
		errs := each(2, func(rank int) (err error) {
			if rank == 0 { // which member 1 calls
				pass(20 * time.Second)
			}
			groups[rank], err = Join(t.Context(), c.config(rank, 1))
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		closeAll(t, groups)
	})
}

func TestJoinNamesWhoIsMissing(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]int{"callee": 0, "caller": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3, false)
				defer c.close(t)
				begin := time.Now()
				errs := each(3, func(rank int) error {
					if rank == missing {
						return nil
					}
					_, err := Join(t.Context(), c.config(rank, 1))
					return err
				})
				for rank, err := range errs {
					if rank != missing {
						blames(t, rank, err, missing)
					}
				}
				if d := time.Since(begin); d < 30*time.Second || d > 31*time.Second {
					t.Errorf("gave up after %s", d)
				}
			})
		})
	}
}

func TestJoinEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, true)
	defer c.close(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	within(t, 20*time.Second, func() { // it would wait 30 s for the other
		if _, err := Join(ctx, c.config(1, 1)); err == nil {
			t.Error("joined a round of one alone")
		}
	})
	canceled, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Join(canceled, c.config(1, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("Join = %v, want canceled", err)
	}
}

func TestOldRoundsAreFenced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, true)
	defer c.close(t)
	closeAll(t, c.join(t, 5))
	if _, err := Join(t.Context(), c.config(0, 5)); !errors.Is(err, ErrStale) {
		t.Errorf("joined round 5 again: %v", err)
	}
	// A late caller of an older round is turned away by member 0's hub.
	late := &cluster{hubs: newCluster(t, 2, true).hubs, addrs: c.addrs, dial: c.dial, timings: Timings{Join: 300 * time.Millisecond}}
	defer late.close(t)
	_, lost := Join(t.Context(), late.config(1, 4))
	blames(t, 1, lost, 0)
	conn, err := dialTCP(t.Context(), c.addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(conn)
	if _, err := io.WriteString(conn, frameOf(header{kind: kindHello, stage: stageKey("job", "train"), round: 4, rank: 1})); err != nil {
		t.Fatal(err)
	}
	within(t, 20*time.Second, func() { // at once, not when it has waited in vain for 30 s
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
	})
	closeAll(t, c.join(t, 6))
}

func TestTheHubTurnsAwayWhatIsNoMember(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, true)
	defer c.close(t)
	for name, words := range map[string]string{"garbage": strings.Repeat("GET / HTTP/1.1\r\n", 10), "beat": frameOf(header{kind: kindBeat})} {
		t.Run(name, func(t *testing.T) {
			conn, err := dialTCP(t.Context(), c.addrs[0])
			if err != nil {
				t.Fatal(err)
			}
			defer closeConn(conn)
			if _, err := io.WriteString(conn, words); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read after nonsense: %v, want a closed connection", err)
			}
		})
	}
}

func frameOf(h header) string {
	b := make([]byte, headerLen+chunkLen)
	seal(b, &h)
	return string(b[:headerLen+int(h.length)])
}

func TestAVisitorDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, false)
		defer c.close(t)
		conn, err := c.dial(t.Context(), "worker0")
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := io.WriteString(conn, frameOf(header{kind: kindHello, round: 9})); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		if d := time.Since(begin); d != 30*time.Second {
			t.Errorf("waited %s", d)
		}
		if h := c.hubs[0]; h.parked != 0 || len(h.waiting) != 0 || len(h.open) != 0 {
			t.Errorf("hub still holds %d parked, %d waiting, %d open", h.parked, len(h.waiting), len(h.open))
		}
	})
}

func TestAClosedHubTakesNobody(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2, true)
	conn, err := dialTCP(t.Context(), c.addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(conn)
	if _, err := io.WriteString(conn, frameOf(header{kind: kindHello, round: 9})); err != nil {
		t.Fatal(err)
	}
	c.close(t)
	c.close(t) // twice is once
	if _, err := Join(t.Context(), c.config(0, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Join = %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a parked connection survived its hub")
	}
}

func TestJoinRefusesASeatOutsideTheRound(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, false)
	defer c.close(t)
	cfg := c.config(0, 1)
	cfg.Rank = 1
	if _, err := Join(t.Context(), cfg); err == nil {
		t.Error("joined at rank 1 of 1")
	}
}

// Listener errors other than its end are waited out.
func TestTheHubOutlivesErrorsOfItsListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{}
		l := &flaky{Listener: p.listen("a"), left: 3}
		h := NewHub(l, 0, discard())
		conn, err := p.dial(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		closeConn(conn)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

type flaky struct {
	net.Listener
	left int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte(frameOf(header{kind: kindHello, round: 1, total: 2})))
	f.Add([]byte(frameOf(header{kind: kindData, phase: phaseGather, total: 4, offset: 1, length: 16})))
	f.Add([]byte(frameOf(header{kind: kindBye}))[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := readFrame(bytes.NewReader(b), make([]byte, headerLen), make([]byte, chunkLen))
		if err != nil {
			return
		}
		if len(payload) != int(h.length) || h.check() != nil {
			t.Fatalf("accepted %+v with %d bytes", h, len(payload))
		}
		again := make([]byte, headerLen+len(payload))
		copy(again[headerLen:], payload)
		seal(again, &h)
		if !bytes.Equal(again, b[:len(again)]) {
			t.Fatalf("frame %x written again as %x", b, again)
		}
	})
}

func TestADamagedFrameIsRefused(t *testing.T) {
	t.Parallel()
	h := header{kind: kindData, phase: phaseScatter, total: 4, length: 16}
	whole := []byte(frameOf(h))
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		if _, _, err := readFrame(bytes.NewReader(b), make([]byte, headerLen), make([]byte, chunkLen)); err == nil {
			t.Fatalf("byte %d changed, and the frame was accepted", at)
		}
	}
	for _, bad := range []header{
		{kind: 9},
		{kind: kindBeat, length: 8},
		{kind: kindData, length: 8, total: 1},
		{kind: kindData, phase: phaseGather, length: 12, total: 9},
		{kind: kindData, phase: phaseGather, total: 9},
		{kind: kindData, phase: phaseGather, length: 8, offset: 9, total: 9},
	} {
		if err := bad.check(); !errors.Is(err, ErrFrame) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
