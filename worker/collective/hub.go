package collective

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Limits of a hub.
const (
	helloWait  = 5 * time.Second // for a connection to say what it is
	maxParked  = 512
	maxFences  = 4096
	acceptWait = 50 * time.Millisecond // after an error of the listener
)

// Hub owns a worker's one member listener and hands each connection to the
// round it names. A connection that comes before its round is joined here
// waits; one for a round that is over is closed.
type Hub struct {
	listener net.Listener
	park     time.Duration
	log      *slog.Logger
	wg       sync.WaitGroup
	done     chan struct{}

	mu      sync.Mutex // guards below
	closed  bool
	tables  map[seat]*table
	newest  map[seat]uint64 // highest round joined: the fence
	waiting map[seat][]*visitor
	parked  int
	open    map[net.Conn]struct{} // not handed over yet
}

// seat is one rank of one stage; a worker may hold several.
type seat struct {
	stage uint64
	rank  int
}

// table is a seat whose member is joining.
type table struct {
	round   uint64
	callers chan arrival
}

// visitor is a connection that waits for its round.
type visitor struct {
	round uint64
	from  int
	conn  net.Conn
	taken chan struct{}
}

// NewHub serves connections of the listener until Close. A connection may wait
// for its round for the length of park (zero: half a minute).
func NewHub(l net.Listener, park time.Duration, log *slog.Logger) *Hub {
	if park <= 0 {
		park = DefaultTimings().Join
	}
	h := &Hub{
		listener: l, park: park, log: log, done: make(chan struct{}),
		tables: map[seat]*table{}, newest: map[seat]uint64{}, waiting: map[seat][]*visitor{},
		open: map[net.Conn]struct{}{},
	}
	h.wg.Go(h.accept)
	return h
}

// Addr is the listener's.
func (h *Hub) Addr() net.Addr { return h.listener.Addr() }

// Close stops listening and closes all connections that wait. Groups that
// have been joined keep theirs.
func (h *Hub) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		h.wg.Wait()
		return nil
	}
	h.closed = true
	close(h.done)
	for conn := range h.open {
		closeConn(conn)
	}
	h.mu.Unlock()
	err := h.listener.Close()
	h.wg.Wait()
	return err
}

func (h *Hub) accept() {
	for {
		conn, err := h.listener.Accept()
		if errors.Is(err, net.ErrClosed) || h.isClosed() {
			closeConn(conn)
			return
		}
		if err != nil {
			h.log.Warn("member listener failed", "error", err)
			select {
			case <-time.After(acceptWait):
			case <-h.done:
			}
			continue
		}
		h.mu.Lock()
		if h.closed {
			closeConn(conn)
		} else {
			h.open[conn] = struct{}{}
			h.wg.Go(func() { h.serve(conn) })
		}
		h.mu.Unlock()
	}
}

func (h *Hub) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// serve reads a connection's hello and keeps it until its round takes it.
func (h *Hub) serve(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(helloWait)) // a closed connection says so on use
	hello, err := readHello(conn)
	_ = conn.SetReadDeadline(time.Time{})
	if err != nil {
		h.refuse(conn)
		return
	}
	v := &visitor{round: hello.round, from: int(hello.rank), conn: conn, taken: make(chan struct{})}
	at := seat{hello.stage, int(hello.offset)}
	if !h.admit(at, v) {
		h.refuse(conn)
		return
	}
	t := time.NewTimer(h.park)
	defer t.Stop()
	select {
	case <-v.taken:
	case <-t.C:
		h.forget(at, v)
	case <-h.done:
	}
}

func (h *Hub) refuse(conn net.Conn) {
	h.mu.Lock()
	delete(h.open, conn)
	h.mu.Unlock()
	closeConn(conn)
}

// admit hands a visitor to its table, or lets it wait for one. It refuses a
// round that is over.
func (h *Hub) admit(at seat, v *visitor) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tables[at]
	switch {
	case h.closed || v.round < h.newest[at]:
		return false
	case t != nil && t.round == v.round:
		return h.hand(t, v)
	case v.round == h.newest[at] || h.parked >= maxParked: // its round has met already
		return false
	}
	h.waiting[at] = append(h.waiting[at], v)
	h.parked++
	return true
}

// hand gives a visitor to a table that has room.
func (h *Hub) hand(t *table, v *visitor) bool {
	select {
	case t.callers <- arrival{rank: v.from, conn: v.conn}:
		delete(h.open, v.conn)
		close(v.taken)
		return true
	default:
		return false
	}
}

// forget closes a visitor that waited in vain.
func (h *Hub) forget(at seat, v *visitor) {
	h.mu.Lock()
	list := h.waiting[at]
	kept := make([]*visitor, 0, len(list))
	for _, w := range list {
		if w != v {
			kept = append(kept, w)
		}
	}
	found := len(kept) < len(list)
	h.parked -= len(list) - len(kept)
	if h.waiting[at] = kept; len(kept) == 0 {
		delete(h.waiting, at)
	}
	h.mu.Unlock()
	if found {
		h.refuse(v.conn)
	}
}

// expect opens the table of a seat for a round. Callers come by the channel
// until release, which closes those that nobody took.
func (h *Hub) expect(at seat, round uint64) (callers <-chan arrival, release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, ErrClosed
	}
	if round <= h.newest[at] {
		return nil, nil, ErrStale
	}
	h.fence(at, round)
	t := &table{round: round, callers: make(chan arrival, maxParked)}
	h.tables[at] = t
	early := h.waiting[at]
	delete(h.waiting, at)
	for _, v := range early {
		if v.round > round { // for a round yet to come
			h.waiting[at] = append(h.waiting[at], v)
			continue
		}
		h.parked--
		if v.round < round || !h.hand(t, v) {
			delete(h.open, v.conn)
			close(v.taken)
			closeConn(v.conn)
		}
	}
	return t.callers, func() { h.clear(at, t) }, nil
}

// fence remembers the newest round of a seat; of very many seats it forgets
// some, whose late callers then merely wait in vain.
func (h *Hub) fence(at seat, round uint64) {
	if len(h.newest) >= maxFences {
		for k := range h.newest {
			if h.tables[k] == nil {
				delete(h.newest, k)
				break
			}
		}
	}
	h.newest[at] = round
}

func (h *Hub) clear(at seat, t *table) {
	h.mu.Lock()
	if h.tables[at] == t {
		delete(h.tables, at)
	}
	h.mu.Unlock()
	for {
		select {
		case a := <-t.callers:
			closeConn(a.conn)
		default:
			return
		}
	}
}
