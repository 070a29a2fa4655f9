package kernels

import "slices"

// Sums are a step's gradients of the summed loss in fixed point, as members
// add them up. Table rows stand in place of E, Wx(0) and B(0), and only what
// occurs in the step has a place: first T; then per layer U and, for layers
// ≥ 1, Wx and B; then Wout, Bout; then the counters.
type Sums struct {
	Shape Shape
	Rows  []int32 // interactions with a row in T, ascending
	Asked []int32 // of what is asked, with a row in Wout and Bout, ascending
	Data  []int64
	seen  []bool
}

// Counters at the end of Sums.Data.
const (
	CountAnswers = iota // predicted answers
	CountLoss           // summed loss, fixed point
	CountLen
)

// NewSums returns zero sums with a place for everything.
func NewSums(s Shape) *Sums {
	g := &Sums{Shape: s, Rows: make([]int32, s.Rows()), Asked: make([]int32, s.Asks())}
	for _, ids := range [][]int32{g.Rows, g.Asked} {
		for k := range ids {
			ids[k] = int32(k)
		}
	}
	g.Data = make([]int64, g.Len())
	return g
}

// Place gives a place to what occurs in a step's sequences, of all members,
// and to nothing else. The sums are undefined until Gradients sets them.
func (g *Sums) Place(seqs []Sequence) {
	if g.seen == nil {
		g.seen = make([]bool, max(g.Shape.Rows(), g.Shape.Asks()))
	}
	g.Rows = collect(g.Rows[:0], g.seen[:g.Shape.Rows()], seqs, func(s *Sequence) []int32 { return s.In })
	g.Asked = collect(g.Asked[:0], g.seen[:g.Shape.Asks()], seqs, func(s *Sequence) []int32 { return s.Ask })
	g.Data = slices.Grow(g.Data[:0], g.Len())[:g.Len()]
}

// collect appends the ids that occur, ascending. seen is false and stays so.
func collect(to []int32, seen []bool, seqs []Sequence, ids func(*Sequence) []int32) []int32 {
	for k := range seqs {
		for _, id := range ids(&seqs[k]) {
			seen[id] = true
		}
	}
	for id, here := range seen {
		if here {
			to = append(to, int32(id))
		}
	}
	clear(seen)
	return to
}

// Len is the length of Data.
func (g *Sums) Len() int { return g.headAt() + len(g.Asked)*(g.Shape.Hidden+1) + CountLen }

func (g *Sums) layerAt(l int) int {
	s, at := g.Shape, len(g.Rows)*g.Shape.Width()
	for k := range l {
		at += s.Hidden * s.Width()
		if k > 0 {
			at += (s.Hidden + 1) * s.Width()
		}
	}
	return at
}

func (g *Sums) headAt() int { return g.layerAt(g.Shape.Layers) }

// T is the folded table's gradient, [len(Rows)][4H].
func (g *Sums) T() []int64 { return g.Data[:len(g.Rows)*g.Shape.Width()] }

// U is layer l's recurrent gradient, [H][4H].
func (g *Sums) U(l int) []int64 {
	at := g.layerAt(l)
	return g.Data[at : at+g.Shape.Hidden*g.Shape.Width()]
}

// Wx is layer l's input gradient, [H][4H]; l ≥ 1.
func (g *Sums) Wx(l int) []int64 {
	n := g.Shape.Hidden * g.Shape.Width()
	at := g.layerAt(l) + n
	return g.Data[at : at+n]
}

// B is layer l's bias gradient, [4H]; l ≥ 1.
func (g *Sums) B(l int) []int64 {
	at := g.layerAt(l+1) - g.Shape.Width()
	return g.Data[at : at+g.Shape.Width()]
}

// Wout is the head's gradient, [len(Asked)][H].
func (g *Sums) Wout() []int64 {
	at := g.headAt()
	return g.Data[at : at+len(g.Asked)*g.Shape.Hidden]
}

// Bout is the head's bias gradient, [len(Asked)].
func (g *Sums) Bout() []int64 {
	at := g.headAt() + len(g.Asked)*g.Shape.Hidden
	return g.Data[at : at+len(g.Asked)]
}

// Counters are the step's counts, [CountLen].
func (g *Sums) Counters() []int64 { return g.Data[len(g.Data)-CountLen:] }

// Derived are the gradients that follow from T: those of E, Wx(0) and B(0), in
// fixed point (ARITHMETIC 5). Members may each compute a share of the rows and
// add them up. A direct model has none.
type Derived struct {
	Shape Shape
	Rows  int // of the step's Sums: interactions
	Data  []int64
}

// Reset makes room for so many rows; all sums are zero.
func (d *Derived) Reset(s Shape, rows int) {
	d.Shape, d.Rows = s, rows
	d.Data = slices.Grow(d.Data[:0], d.Len())[:d.Len()]
	clear(d.Data)
}

// Len is the length of Data.
func (d *Derived) Len() int {
	if d.Shape.Direct() {
		return 0
	}
	return d.Rows*d.Shape.Embed + (d.Shape.Embed+1)*d.Shape.Width()
}

// E is the embedding's gradient, [Rows][E].
func (d *Derived) E() []int64 { return d.Data[:d.Rows*d.Shape.Embed] }

// Wx is layer 0's input gradient, [E][4H].
func (d *Derived) Wx() []int64 { return d.Data[d.Rows*d.Shape.Embed : len(d.Data)-d.Shape.Width()] }

// B is layer 0's bias gradient, [4H].
func (d *Derived) B() []int64 { return d.Data[len(d.Data)-d.Shape.Width():] }
