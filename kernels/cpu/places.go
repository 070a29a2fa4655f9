package cpu

// places gives ids places, one after another in order of first use. Forgetting
// them all costs nothing (Briggs and Torczon 1993, sparse sets).
type places struct {
	at  []int32 // [ids]: where an id may stand in ids
	ids []int32 // the id of each place
}

func newPlaces(ids int) places { return places{at: make([]int32, ids)} }

// find answers an id's place, -1 without.
func (p *places) find(id int32) int {
	if at := p.at[id]; int(at) < len(p.ids) && p.ids[at] == id {
		return int(at)
	}
	return -1
}

// add answers an id's place and whether it is new.
func (p *places) add(id int32) (at int, fresh bool) {
	if at := p.find(id); at >= 0 {
		return at, false
	}
	p.at[id] = int32(len(p.ids))
	p.ids = append(p.ids, id)
	return len(p.ids) - 1, true
}

func (p *places) clear() { p.ids = p.ids[:0] }

// rows are vectors of one width for the ids that have places.
type rows[T int64 | float32] struct {
	places
	width int
	data  []T // [places][width]
}

func newRows[T int64 | float32](ids, width int) rows[T] {
	return rows[T]{places: newPlaces(ids), width: width}
}

// row is the vector of an id; a new one holds anything.
func (r *rows[T]) row(id int32) (row []T, fresh bool) {
	at, fresh := r.add(id)
	if need := (at + 1) * r.width; need > len(r.data) {
		r.data = append(r.data, make([]T, max(need, 3*len(r.data)/2)-len(r.data))...)
	}
	return r.place(at), fresh
}

// place is the vector of a place.
func (r *rows[T]) place(at int) []T { return r.data[at*r.width:][:r.width] }
