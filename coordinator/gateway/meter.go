package gateway

import (
	"math/bits"
	"sync"
	"time"

	"cohort/coordinator/wire"
)

// Windows of the live statistics.
const (
	slots      = 10              // seconds of requests
	lastAnswer = 1000            // answers
	answerAge  = 5 * time.Minute // of the oldest
	latencies  = 208             // of latency
)

// version names a version of a model.
type version struct {
	model   string
	version int
}

// meters are what this gateway sees of versions.
type meters struct {
	mu  sync.Mutex // guards below
	all map[version]*meter
}

func (m *meters) of(model string, v int) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := version{model, v}
	if m.all[key] == nil {
		m.all[key] = &meter{born: time.Now()}
	}
	return m.all[key]
}

// windows are what was seen lately of a model, or of all where none is named, by
// model and version. What has been silent for longer than any window is forgotten.
func (m *meters) windows(now time.Time, model string) map[string]map[int]wire.LiveWindow {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]map[int]wire.LiveWindow{}
	for key, one := range m.all {
		if model != "" && key.model != model {
			continue
		}
		w := one.window(now)
		if w.Requests == 0 && w.Answers == 0 {
			if now.Sub(one.born) > answerAge {
				delete(m.all, key)
			}
			continue
		}
		if found[key.model] == nil {
			found[key.model] = map[int]wire.LiveWindow{}
		}
		found[key.model][key.version] = w
	}
	return found
}

// meter counts for one version.
type meter struct {
	born time.Time

	mu      sync.Mutex // guards below
	seconds [slots]second
	answers [lastAnswer]predicted
	next    int // place in answers
}

type second struct {
	at               int64 // Unix seconds
	requests, errors int64
	latency          [latencies]int64
}

type predicted struct {
	at    int64 // Unix nanoseconds; 0: none
	p     float64
	right bool
}

// request counts one that took so long.
func (m *meter) request(now time.Time, took time.Duration, failed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.seconds[now.Unix()%slots]
	if s.at != now.Unix() {
		*s = second{at: now.Unix()}
	}
	s.requests++
	if failed {
		s.errors++
	}
	s.latency[bucket(took)]++
}

// answer counts an answer that came in, and what was predicted before.
func (m *meter) answer(p float64, right bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[m.next] = predicted{time.Now().UnixNano(), p, right}
	m.next = (m.next + 1) % lastAnswer
}

func (m *meter) window(now time.Time) wire.LiveWindow {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := wire.LiveWindow{Since: max(m.born.UnixMilli(), now.Add(-slots*time.Second).UnixMilli()), Latency: make([]int64, latencies)}
	for k := range m.seconds {
		s := &m.seconds[k]
		if s.at <= now.Unix()-slots {
			continue
		}
		w.Requests += s.requests
		w.Errors += s.errors
		for b, n := range s.latency {
			w.Latency[b] += n
		}
	}
	for _, a := range m.answers {
		if a.at == 0 || now.UnixNano()-a.at > int64(answerAge) {
			continue
		}
		w.Answers++
		w.Predicted += a.p
		if a.right {
			w.Right++
		}
	}
	return w
}

// bucket is that of a latency: microseconds to three bits after the first.
func bucket(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 8 {
		return int(us)
	}
	shift := bits.Len64(us) - 4
	return min(shift*8+int(us>>shift), latencies-1)
}

// top is where a bucket ends, in microseconds.
func top(bucket int) int64 {
	if bucket < 16 {
		return int64(bucket) + 1
	}
	shift := bucket/8 - 1
	return int64(bucket-shift*8+1) << shift
}

// live makes statistics of what gateways saw of a version.
func live(v int, seen []wire.LiveWindow) wire.LiveStats {
	s := wire.LiveStats{Version: v}
	var sum [latencies]int64
	for _, w := range seen {
		if s.Since == 0 || w.Since < s.Since {
			s.Since = w.Since
		}
		s.Requests += w.Requests
		s.Errors += w.Errors
		s.Predicted += w.Predicted
		s.Right += w.Right
		s.Answers += w.Answers
		for b, n := range w.Latency[:min(len(w.Latency), latencies)] {
			sum[b] += n
		}
	}
	left := s.Requests - s.Requests/100 // the 99th of a hundred
	for b, n := range sum {
		if left -= n; left <= 0 && s.Requests > 0 {
			s.P99MS = float64(top(b)) / 1000
			break
		}
	}
	return s
}

// note counts a request of a version that began at start.
func (g *Gateway) note(model string, v int, start time.Time, failed bool) {
	now := time.Now()
	g.meters.of(model, v).request(now, now.Sub(start), failed)
}
