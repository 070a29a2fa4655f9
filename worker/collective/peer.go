package collective

import (
	"bufio"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// inboxLen bounds the chunks that wait for the next reduction. A peer is at
// most one gather and one scatter ahead, so only vectors far beyond any model
// here ever make a reader wait.
const inboxLen = 1024

// peer is the connection to one other member. Its reader never waits for the
// caller, so a loss is seen while the member computes.
type peer struct {
	rank    int
	task    string
	conn    net.Conn
	in      chan chunk
	free    chan []byte   // payload buffers to use again
	sends   chan send     // at most a scatter and a gather
	done    chan struct{} // one token for each send written
	stopped chan struct{} // closed when the writer no longer touches a vector
	left    atomic.Int64  // reductions the peer took part in before its bye, plus one

	mu     sync.Mutex // guards below, and the setting of deadlines
	ending bool
}

type chunk struct {
	h       header
	payload []byte
}

// send is a span of the vector to write, starting at element at.
type send struct {
	h    header
	span []int64
	at   int
}

func newPeer(rank int, task string, conn net.Conn) *peer {
	return &peer{
		rank: rank, task: task, conn: conn,
		in: make(chan chunk, inboxLen), free: make(chan []byte, inboxLen),
		sends: make(chan send, 2), done: make(chan struct{}, 2), stopped: make(chan struct{}),
	}
}

func (p *peer) lost(err error) error { return &PeerLostError{Rank: p.rank, Task: p.task, Err: err} }

// extend gives the peer another d to speak, or to take what is written.
func (p *peer) extend(set func(time.Time) error, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ending {
		_ = set(time.Now().Add(d)) // a closed connection says so on use
	}
}

// end puts a last deadline on both directions.
func (p *peer) end(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	_ = p.conn.SetDeadline(time.Now().Add(d)) // as above
}

func (p *peer) buffer() []byte {
	select {
	case b := <-p.free:
		return b
	default:
		return make([]byte, chunkLen)
	}
}

func (p *peer) recycle(b []byte) {
	select {
	case p.free <- b[:chunkLen]:
	default:
	}
}

// read takes frames until the connection or the group ends, then closes the
// connection once the writer is through with it.
func (g *Group) read(p *peer) {
	defer g.wg.Done()
	err := g.readFrames(p)
	if err != nil && !g.ending() {
		g.fail(p.lost(err))
	}
	<-p.stopped
	_ = p.conn.Close() // nothing is left to lose
}

// readFrames answers nil after a bye.
func (g *Group) readFrames(p *peer) error {
	r := bufio.NewReaderSize(p.conn, 16<<10)
	head := make([]byte, headerLen)
	for {
		p.extend(p.conn.SetReadDeadline, g.timings.Stall)
		buf := p.buffer()
		h, payload, err := readFrame(r, head, buf)
		if err != nil {
			return err
		}
		if h.stage != g.stage || h.round != g.round || int(h.rank) != p.rank {
			p.recycle(buf) // not of this round: fenced
			continue
		}
		if h.kind == kindData {
			select {
			case p.in <- chunk{h, payload}:
			case <-g.failed:
				p.recycle(buf)
			}
			continue
		}
		p.recycle(buf)
		if g.word(p, h) {
			return nil
		}
	}
}

// word acts on a frame without payload, and reports a bye.
func (g *Group) word(p *peer, h header) bool {
	switch h.kind {
	case kindBye:
		p.left.Store(int64(h.call) + 1)
		g.checkLeft(p)
		return true
	case kindAbort:
		g.fail(g.accused(p, int(h.offset)))
	case kindHello, kindBeat, kindData:
	}
	return false
}

// accused is the loss that peer p reports. A member that gave up names itself.
func (g *Group) accused(p *peer, rank int) error {
	if rank == g.rank || rank < 0 || rank >= len(g.members) {
		return p.lost(ErrLeft)
	}
	if rank == p.rank {
		return p.lost(ErrLeft)
	}
	return &PeerLostError{Rank: rank, Task: g.members[rank].Task, Err: errReported}
}

// write sends what is asked, and beats in between so that a member that
// computes for long is not taken for dead.
func (g *Group) write(p *peer) {
	defer g.wg.Done()
	defer close(p.stopped)
	buf := make([]byte, headerLen+chunkLen)
	beat := time.NewTicker(g.timings.Stall / 5)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-g.failed:
			g.farewell(p, buf, header{kind: kindAbort, offset: uint32(g.blame())})
			return
		case <-g.closing:
			g.farewell(p, buf, header{kind: kindBye, call: g.completed.Load()})
			return
		case s := <-p.sends:
			err = g.writeSpan(p, buf, s)
			p.done <- struct{}{}
		case <-beat.C:
			err = g.writeFrame(p, buf, header{kind: kindBeat})
			if p.left.Load() > 0 {
				err = nil // it is gone by its own word
			}
		}
		if err != nil && !g.ending() {
			g.fail(p.lost(err))
		}
	}
}

func (g *Group) writeSpan(p *peer, buf []byte, s send) error {
	for len(s.span) > 0 {
		n := min(len(s.span), chunkVals)
		putValues(buf[headerLen:], s.span[:n])
		s.h.offset, s.h.length = uint32(s.at), uint32(8*n)
		if err := g.writeFrame(p, buf, s.h); err != nil {
			return err
		}
		s.span, s.at = s.span[n:], s.at+n
	}
	return nil
}

// writeFrame completes h and writes it with the payload that lies in buf.
func (g *Group) writeFrame(p *peer, buf []byte, h header) error {
	h.rank, h.stage, h.round = uint16(g.rank), g.stage, g.round
	seal(buf, &h)
	p.extend(p.conn.SetWriteDeadline, g.timings.Stall)
	_, err := p.conn.Write(buf[:headerLen+int(h.length)])
	return err
}

// farewell says a last word and closes the writing half, so that the peer
// reads it before the end of the stream. Whether it arrives is no matter: the
// end of the stream says nearly as much.
func (g *Group) farewell(p *peer, buf []byte, h header) {
	if g.writeFrame(p, buf, h) != nil {
		return
	}
	if half, ok := p.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
