package kernels

import "fmt"

// Gates is the number of gates of an LSTM unit, in the order i, f, g, o.
const Gates = 4

// Shape is a model's sizes.
type Shape struct {
	Skills int // Q
	Embed  int // E, length of an interaction's embedding; 0: direct, see Direct
	Hidden int // H, units of each LSTM layer
	Layers int // L ≥ 1

	// Of a model that takes more than skill and correctness, see parts.go; both 0
	// in a plain one.
	Kinds  int `json:",omitempty"` // K, kinds of answers to a skill
	Levels int `json:",omitempty"` // V, levels that a skill is asked at
}

// Check refuses shapes without a skill, a unit or a layer, or in which wrong
// and right are not apart.
func (s Shape) Check() error {
	if s.Skills < 1 || s.Embed < 0 || s.Hidden < 1 || s.Layers < 1 {
		return fmt.Errorf("model shape %+v has an empty part", s)
	}
	if s.Kinds < 0 || s.Kinds%2 != 0 || s.Levels < 0 {
		return fmt.Errorf("model shape %+v: kinds of answers come in pairs, wrong and right, and no number is below 0", s)
	}
	return nil
}

// Direct reports whether the table's rows are themselves the parameters, in
// place of embedding, input weights and bias of layer 0: the LSTM on one-hot
// interactions of Piech et al. 2015.
func (s Shape) Direct() bool { return s.Embed == 0 }

// RowWidth is the number of parameters of an interaction: E, or 4H if direct.
func (s Shape) RowWidth() int {
	if s.Direct() {
		return s.Width()
	}
	return s.Embed
}

// Width is the number of gate pre-activations of a layer, 4H. Column
// g·H + u is gate g of unit u.
func (s Shape) Width() int { return Gates * s.Hidden }

// Params are a model's weights, one flat vector in the order that the weights
// hash covers (ARITHMETIC 9): E, then per layer Wx, U, B, then Wout, Bout.
type Params struct {
	Shape Shape
	Data  []float32
}

// Sequence is the unit of compute: one window of one student. In, Ask and
// Right have the same length T ≥ 1: after interaction In[t], Ask[t] is asked, a
// skill, or skill + Q·level, and answered right (1) or wrong (0).
type Sequence struct {
	ID    uint32 // index in the canonical order of the training set; a dropout counter
	In    []int32
	Ask   []int32
	Right []uint8
}

// Dropout is the chance of a step; Rate 0 keeps everything.
type Dropout struct {
	Seed  uint32
	Epoch uint32
	Rate  float64
}

// AdamStep are the scalars of one Adam or AdamW update (ARITHMETIC 6).
type AdamStep struct {
	Beta1, Beta2 float32 // β1, β2
	Rate         float32 // a = lr/(1−β1^t), rounded once
	Root         float32 // r = 1/sqrt(1−β2^t), rounded once
	Epsilon      float32
	Decay        float32 // lr·wd of AdamW; 0 for Adam
}

// Absent says when Adam updates the rows of the table and the head that a
// gradient lacks: theirs is zero there.
type Absent int

// The times.
const (
	AbsentNow   Absent = iota // in the same call
	AbsentLater               // when CatchUp asks for them, or Settle for all
	AbsentNever               // lazy Adam: another algorithm
)
