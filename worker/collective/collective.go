// Package collective sums vectors of int64 over the members of a training
// round, straight between workers over TCP. The sums are exact, so neither the
// order in which parts arrive nor the number of members can change a bit.
package collective

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"cohort/coordinator/wire"
)

// The errors of a group.
var (
	// ErrClosed says that the group or hub was closed on this side.
	ErrClosed = errors.New("collective closed")
	// ErrLeft says that a member closed its group while others still needed it.
	ErrLeft = errors.New("member left the round")
	// ErrDiverged says that members do not reduce the same thing: a bug, or
	// members of different versions.
	ErrDiverged = errors.New("members disagree about the step")
	// ErrFrame says that bytes between members are not a frame of the protocol.
	ErrFrame = errors.New("bad frame")
	// ErrStale says that a newer round of the stage has been joined here.
	ErrStale = errors.New("round is over")
)

// PeerLostError names the member whose loss ended a round.
type PeerLostError struct {
	Rank int
	Task string
	Err  error
}

func (e *PeerLostError) Error() string {
	return fmt.Sprintf("lost member %d (%s): %v", e.Rank, e.Task, e.Err)
}

func (e *PeerLostError) Unwrap() error { return e.Err }

// Dial connects to the member listener at addr.
type Dial func(ctx context.Context, addr string) (net.Conn, error)

// Config describes one member's seat in a round.
type Config struct {
	Round   wire.Round
	Rank    int // index into Round.Members
	Hub     *Hub
	Dial    Dial
	Timings Timings
	Logger  *slog.Logger
}

// Timings bound every wait of a group. Zero fields take the defaults.
type Timings struct {
	Join   time.Duration // for all members to be connected
	Stall  time.Duration // a member silent for so long is lost; it beats five times as often
	Linger time.Duration // Close waits so long for the others to be done too
}

// DefaultTimings suit a lease of five seconds: a member paused within its
// lease stays in the round.
func DefaultTimings() Timings {
	return Timings{Join: 30 * time.Second, Stall: 10 * time.Second, Linger: time.Second}
}

func (t Timings) filled() Timings {
	d := DefaultTimings()
	if t.Join <= 0 {
		t.Join = d.Join
	}
	if t.Stall <= 0 {
		t.Stall = d.Stall
	}
	if t.Linger <= 0 {
		t.Linger = d.Linger
	}
	return t
}

// abortWait bounds the farewell of a group that failed.
const abortWait = 100 * time.Millisecond
