package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// When the log's tail is sealed, and in what pieces.
const (
	sealEvery  = time.Second // how often the tail is looked at
	sealLength = 10_000      // attempts
	sealAge    = time.Hour
	sealPiece  = 4096 // attempts of a segment: some tens of milliseconds of Apply
)

// sealDue seals the tail where this node leads and it is long or old.
func (g *Gateway) sealDue(ctx context.Context) {
	office, leads := g.Serving() //nolint:contextcheck // the office's own ends the work
	if !leads {
		return
	}
	l := g.State.Read().AttemptLog()
	old := l.Oldest != 0 && time.Now().UnixMilli()-l.Oldest >= sealAge.Milliseconds()
	if l.Last-l.Sealed <= sealLength && !old {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(office, cancel)() //nolint:contextcheck // as above
	if err := g.seal(ctx); err != nil && ctx.Err() == nil {
		g.Logger.Warn("the attempt log could not be sealed", "error", err)
	}
}

// seal puts all attempts that are in the log now into segments. The blob is
// durable, and the index has its attempts, before the state lets go of them.
func (g *Gateway) seal(ctx context.Context) error {
	g.sealing.Lock()
	defer g.sealing.Unlock()
	for last := g.State.Read().AttemptLog().Last; ; {
		v := g.State.Read()
		if v.AttemptLog().Sealed >= last {
			return nil
		}
		if err := g.catchUp(ctx, v); err != nil {
			return err
		}
		tail := v.AttemptTail(sealPiece)
		s, err := lake.WriteAttempts(ctx, g.Blobs, tail)
		if err != nil {
			return err
		}
		if err := g.index.add(tail); err != nil {
			return err
		}
		if _, err := g.commit(ctx, wire.CmdSealAttempts, wire.SealAttempts{Segment: s}); err != nil {
			return err
		}
	}
}

// sealNow seals the log and lists the segments after a position.
func (g *Gateway) sealNow(w http.ResponseWriter, r *http.Request) error {
	after := uint64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return invalid("after is no position in the attempt log")
		}
	}
	if err := g.seal(r.Context()); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(wire.SealReply{Segments: g.State.Read().AttemptSegments(after)})
}

// logStatus says where the log stands.
func (g *Gateway) logStatus(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(g.State.Read().AttemptLog())
}
