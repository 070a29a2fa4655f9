package kernels

// A layout is offsets into a flat vector, in elements.
func (s Shape) input(l int) int {
	if l == 0 {
		return s.Embed
	}
	return s.Hidden
}

// layerSize is the length of layer l's Wx, U and B.
func (s Shape) layerSize(l int) int {
	return (s.input(l) + s.Hidden + 1) * s.Width()
}

func (s Shape) layerAt(l int) int {
	at := s.Rows() * s.Embed
	for k := range l {
		at += s.layerSize(k)
	}
	return at
}

// ParamCount is the length of Params.Data.
func (s Shape) ParamCount() int {
	return s.layerAt(s.Layers) + s.Skills*(s.Hidden+1)
}

// NewParams returns zero weights of the shape.
func NewParams(s Shape) *Params {
	return &Params{Shape: s, Data: make([]float32, s.ParamCount())}
}

// E is the embedding, [2Q][E].
func (p *Params) E() []float32 { return p.Data[:p.Shape.Rows()*p.Shape.Embed] }

// Wx is layer l's input weights, [input][4H]; input is E for layer 0, else H.
func (p *Params) Wx(l int) []float32 {
	at := p.Shape.layerAt(l)
	return p.Data[at : at+p.Shape.input(l)*p.Shape.Width()]
}

// U is layer l's recurrent weights, [H][4H].
func (p *Params) U(l int) []float32 {
	at := p.Shape.layerAt(l) + p.Shape.input(l)*p.Shape.Width()
	return p.Data[at : at+p.Shape.Hidden*p.Shape.Width()]
}

// B is layer l's bias, [4H].
func (p *Params) B(l int) []float32 {
	at := p.Shape.layerAt(l) + p.Shape.layerSize(l) - p.Shape.Width()
	return p.Data[at : at+p.Shape.Width()]
}

// Wout is the head's weights, [Q][H].
func (p *Params) Wout() []float32 {
	at := p.Shape.layerAt(p.Shape.Layers)
	return p.Data[at : at+p.Shape.Skills*p.Shape.Hidden]
}

// Bout is the head's bias, [Q].
func (p *Params) Bout() []float32 { return p.Data[len(p.Data)-p.Shape.Skills:] }

// Counters at the end of Sums.Data.
const (
	CountAnswers = iota // predicted answers
	CountLoss           // summed loss, fixed point
	CountLen
)

// SumCount is the length of Sums.Data.
func (s Shape) SumCount() int {
	return s.sumLayerAt(s.Layers) + s.Skills*(s.Hidden+1) + CountLen
}

func (s Shape) sumLayerAt(l int) int {
	at := s.Rows() * s.Width()
	for k := range l {
		at += s.Hidden * s.Width()
		if k > 0 {
			at += (s.Hidden + 1) * s.Width()
		}
	}
	return at
}

// NewSums returns zero sums of the shape.
func NewSums(s Shape) *Sums { return &Sums{Shape: s, Data: make([]int64, s.SumCount())} }

// T is the folded table's gradient, [2Q][4H].
func (g *Sums) T() []int64 { return g.Data[:g.Shape.Rows()*g.Shape.Width()] }

// U is layer l's recurrent gradient, [H][4H].
func (g *Sums) U(l int) []int64 {
	at := g.Shape.sumLayerAt(l)
	return g.Data[at : at+g.Shape.Hidden*g.Shape.Width()]
}

// Wx is layer l's input gradient, [H][4H]; l ≥ 1.
func (g *Sums) Wx(l int) []int64 {
	n := g.Shape.Hidden * g.Shape.Width()
	at := g.Shape.sumLayerAt(l) + n
	return g.Data[at : at+n]
}

// B is layer l's bias gradient, [4H]; l ≥ 1.
func (g *Sums) B(l int) []int64 {
	at := g.Shape.sumLayerAt(l+1) - g.Shape.Width()
	return g.Data[at : at+g.Shape.Width()]
}

// Wout is the head's gradient, [Q][H].
func (g *Sums) Wout() []int64 {
	at := g.Shape.sumLayerAt(g.Shape.Layers)
	return g.Data[at : at+g.Shape.Skills*g.Shape.Hidden]
}

// Bout is the head's bias gradient, [Q].
func (g *Sums) Bout() []int64 {
	at := g.Shape.sumLayerAt(g.Shape.Layers) + g.Shape.Skills*g.Shape.Hidden
	return g.Data[at : at+g.Shape.Skills]
}

// Counters are the step's counts, [CountLen].
func (g *Sums) Counters() []int64 { return g.Data[len(g.Data)-CountLen:] }
