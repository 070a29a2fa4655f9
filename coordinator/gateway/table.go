package gateway

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"cohort/coordinator/wire"
)

// table is who answers for which model. It is replaced, never changed; replicas
// that stay are taken over, with what they have outstanding.
type table struct {
	models map[string]*model
	names  []string // sorted
}

// model is one that is deployed.
type model struct {
	name   string
	routes []wire.Route // by version
	pools  map[int][]*replica
}

// replica is one address.
type replica struct {
	version     int
	addr        string
	outstanding atomic.Int64
	shunned     atomic.Int64 // until, Unix nanoseconds
}

// shun makes a replica that failed be asked last for a while.
func (r *replica) shun() { r.shunned.Store(time.Now().Add(shunTime).UnixNano()) }

func (r *replica) out(now int64) bool { return r.shunned.Load() > now }

func newTable(old *table, all []Deployed) *table {
	t := &table{models: map[string]*model{}}
	for _, d := range all {
		if len(d.Routes) == 0 && len(d.Replicas) == 0 {
			continue // it has ended
		}
		m := &model{name: d.Model, pools: map[int][]*replica{}}
		m.routes = slices.SortedFunc(slices.Values(d.Routes), func(a, b wire.Route) int { return cmp.Compare(a.Version, b.Version) })
		for v, addrs := range d.Replicas {
			for _, addr := range slices.Sorted(slices.Values(addrs)) {
				m.pools[v] = append(m.pools[v], old.replica(d.Model, v, addr))
			}
		}
		t.models[d.Model] = m
	}
	t.names = slices.Sorted(maps.Keys(t.models))
	return t
}

// replica is the one that was there, or a new one.
func (t *table) replica(name string, version int, addr string) *replica {
	if t != nil && t.models[name] != nil {
		for _, r := range t.models[name].pools[version] {
			if r.addr == addr {
				return r
			}
		}
	}
	return &replica{version: version, addr: addr}
}

// find is the model that a request names, or the only one.
func (t *table) find(name string) (*model, error) {
	switch {
	case name == "" && len(t.names) == 1:
		name = t.names[0]
	case name == "" && len(t.names) > 1:
		return nil, refusal(wire.CodeInvalid, "%d models are deployed (%s): name one in the header %s or as ?model=",
			len(t.names), strings.Join(t.names, ", "), wire.HeaderModel)
	case name == "":
		return nil, refusal(wire.CodeNotFound, "no model is deployed")
	}
	m := t.models[name]
	if m == nil {
		return nil, refusal(wire.CodeNotFound, "no model %.60q is deployed", name)
	}
	return m, nil
}

// versions are those with traffic, first the one that has share, a number from 0
// to 99, in its part; then the others, those with more first. The parts lie in the
// order of versions, so that a newer one's part only grows as its per cents do.
func (m *model) versions(share int) []int {
	order := slices.DeleteFunc(slices.Clone(m.routes), func(r wire.Route) bool { return r.Percent <= 0 })
	chosen, sum := 0, 0
	for _, r := range order {
		if sum += r.Percent; share < sum {
			chosen = r.Version
			break
		}
	}
	slices.SortStableFunc(order, func(a, b wire.Route) int {
		return cmp.Or(cmp.Compare(last(a.Version != chosen), last(b.Version != chosen)), cmp.Compare(b.Percent, a.Percent))
	})
	versions := make([]int, len(order))
	for k, r := range order {
		versions[k] = r.Version
	}
	return versions
}

// last orders what is to come last behind the rest.
func last(is bool) int {
	if is {
		return 1
	}
	return 0
}

// answers reports whether a version with traffic has a replica.
func (m *model) answers() bool {
	return slices.ContainsFunc(m.routes, func(r wire.Route) bool { return r.Percent > 0 && len(m.pools[r.Version]) > 0 })
}

// choice is a replica with what it is chosen by.
type choice struct {
	*replica
	out   bool // it failed a moment ago
	place int  // of its version
	rank  uint64
}

// choose puts replicas in order: by rank within a version, and those that failed a
// moment ago after all others.
func (m *model) choose(share int, rank func(*replica) uint64) []*replica {
	now := time.Now().UnixNano()
	var all []choice
	for place, v := range m.versions(share) {
		for _, r := range m.pools[v] {
			all = append(all, choice{r, r.out(now), place, rank(r)})
		}
	}
	slices.SortStableFunc(all, func(a, b choice) int {
		return cmp.Or(cmp.Compare(last(a.out), last(b.out)), cmp.Compare(a.place, b.place), cmp.Compare(a.rank, b.rank))
	})
	ordered := make([]*replica, len(all))
	for k, c := range all {
		ordered[k] = c.replica
	}
	return ordered
}

// byLoad are the replicas for a request of no student: those with the least
// outstanding first, equal ones in any order.
func (m *model) byLoad(turn uint64) []*replica {
	n := mix(turn)
	return m.choose(int(n%100), func(r *replica) uint64 {
		n = mix(n)
		return uint64(r.outstanding.Load())<<8 | n>>56
	})
}

// byStudent are the replicas for a student, always in the same order while the
// same are there: his state is where he was before.
func (m *model) byStudent(student string) []*replica {
	return m.choose(int(hash(student, "")%100), func(r *replica) uint64 { return hash(student, r.addr) })
}

func hash(student, addr string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(student)) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(addr))
	return mix(h.Sum64())
}

// mix spreads a number over all bits (SplitMix64's finisher).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
