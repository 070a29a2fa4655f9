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
	return (s.input(l)+s.Hidden)*s.Width() + s.bias(l)
}

// bias is the length of layer l's B: a direct table holds layer 0's.
func (s Shape) bias(l int) int {
	if l == 0 && s.Direct() {
		return 0
	}
	return s.Width()
}

func (s Shape) layerAt(l int) int {
	at := s.EmbedRows() * s.RowWidth()
	for k := range l {
		at += s.layerSize(k)
	}
	return at
}

// ParamCount is the length of Params.Data.
func (s Shape) ParamCount() int {
	return s.layerAt(s.Layers) + s.HeadRows()*(s.Hidden+1)
}

// NewParams returns zero weights of the shape.
func NewParams(s Shape) *Params {
	return &Params{Shape: s, Data: make([]float32, s.ParamCount())}
}

// E is the embedding, [2Q + K][E]; of a direct model the table, [2Q + K][4H].
func (p *Params) E() []float32 { return p.Data[:p.Shape.EmbedRows()*p.Shape.RowWidth()] }

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

// B is layer l's bias, [4H]; a direct model has none for layer 0.
func (p *Params) B(l int) []float32 {
	end := p.Shape.layerAt(l + 1)
	return p.Data[end-p.Shape.bias(l) : end]
}

// LSTM is the part between E and Wout: all layers.
func (p *Params) LSTM() []float32 {
	return p.Data[p.Shape.layerAt(0):p.Shape.layerAt(p.Shape.Layers)]
}

// Wout is the head's weights, [Q + V][H].
func (p *Params) Wout() []float32 {
	at := p.Shape.layerAt(p.Shape.Layers)
	return p.Data[at : at+p.Shape.HeadRows()*p.Shape.Hidden]
}

// Bout is the head's bias, [Q + V].
func (p *Params) Bout() []float32 { return p.Data[len(p.Data)-p.Shape.HeadRows():] }
