package checkpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt"
	"cohort/kernels"
)

// version of the files' metadata.
const version = "1"

// names lists a model's tensors with their shapes, in the order of Params.
func names(s kernels.Shape) []tensor {
	all := []tensor{{name: "E", shape: []int{s.EmbedRows(), s.RowWidth()}}}
	for l := range s.Layers {
		in := s.Hidden
		if l == 0 {
			in = s.Embed
		}
		u := tensor{name: fmt.Sprintf("lstm.%d.U", l), shape: []int{s.Hidden, s.Width()}}
		if in == 0 { // direct: the table is input and bias
			all = append(all, u)
			continue
		}
		all = append(all,
			tensor{name: fmt.Sprintf("lstm.%d.Wx", l), shape: []int{in, s.Width()}}, u,
			tensor{name: fmt.Sprintf("lstm.%d.B", l), shape: []int{s.Width()}})
	}
	return append(all, tensor{name: "Wout", shape: []int{s.HeadRows(), s.Hidden}}, tensor{name: "Bout", shape: []int{s.HeadRows()}})
}

// split names the parts of a flat vector of parameters.
func split(prefix string, s kernels.Shape, data []float32) []tensor {
	all := names(s)
	for k := range all {
		n := 1
		for _, d := range all[k].shape {
			n *= d
		}
		all[k].name = prefix + all[k].name
		all[k].data, data = data[:n], data[n:]
	}
	return all
}

// join is the flat vector of the tensors under a prefix, which lie one after
// another.
func join(prefix string, s kernels.Shape, c *contents) ([]float32, error) {
	begin, at := int64(-1), int64(-1)
	for _, want := range names(s) {
		got, ok := c.entries[prefix+want.name]
		if begin < 0 {
			begin, at = got.Offsets[0], got.Offsets[0]
		}
		if !ok || !slices.Equal(got.Shape, want.shape) || got.Offsets[0] != at {
			return nil, fmt.Errorf("%w: tensor %q is %v at %d, want %v at %d", ErrCorrupt, prefix+want.name, got.Shape, got.Offsets[0], want.shape, at)
		}
		at = got.Offsets[1]
	}
	return c.data[begin/4 : at/4 : at/4], nil
}

// checkShape refuses shapes that no file of ours holds, before memory is spent.
func checkShape(s kernels.Shape) error {
	if s.Check() != nil || max(s.Skills, s.Embed, s.Hidden, s.Layers) > 1<<20 || max(s.Kinds, s.Levels) > 1<<10 {
		return fmt.Errorf("%w: shape %+v", ErrCorrupt, s)
	}
	return nil
}

// scalars are a State's parts that are no tensor. Go's JSON writes a float64
// with the digits that read back to the same bits.
type scalars struct {
	State dkt.State
	Shape kernels.Shape
	Best  bool
}

// State is a whole training state as a file.
func State(st *dkt.State) (*File, error) {
	s := st.Params.Shape
	tensors := split("", s, st.Params.Data)
	tensors = append(tensors, split("m.", s, st.Moment1)...)
	tensors = append(tensors, split("v.", s, st.Moment2)...)
	if st.Best != nil {
		tensors = append(tensors, split("best.", s, st.Best.Data)...)
	}
	rest := *st
	rest.Params, rest.Moment1, rest.Moment2, rest.Best = nil, nil, nil, nil
	text, err := json.Marshal(scalars{rest, s, st.Best != nil})
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return newFile(tensors, map[string]string{"format": "cohort-state", "version": version, "state": string(text)})
}

// ReadState reads the file of a State; the error wraps ErrCorrupt when the
// file is not that.
func ReadState(r io.Reader) (*dkt.State, error) {
	c, err := read(r)
	if err != nil {
		return nil, err
	}
	meta := c.meta
	var rest scalars
	if meta["format"] != "cohort-state" || meta["version"] != version {
		return nil, fmt.Errorf("%w: format %q, version %q", ErrCorrupt, meta["format"], meta["version"])
	}
	if err := json.Unmarshal([]byte(meta["state"]), &rest); err != nil {
		return nil, fmt.Errorf("%w: state: %w", ErrCorrupt, err)
	}
	if err := checkShape(rest.Shape); err != nil {
		return nil, err
	}
	st := rest.State
	st.Params = &kernels.Params{Shape: rest.Shape}
	parts := map[string]*[]float32{"": &st.Params.Data, "m.": &st.Moment1, "v.": &st.Moment2}
	if rest.Best {
		st.Best = &kernels.Params{Shape: rest.Shape}
		parts["best."] = &st.Best.Data
	}
	for prefix, to := range parts {
		if *to, err = join(prefix, rest.Shape, c); err != nil {
			return nil, err
		}
	}
	if st.Best != nil && kernels.HashWeights(st.Best) != st.BestHash {
		return nil, fmt.Errorf("%w: the best weights are not those of their hash", ErrCorrupt)
	}
	return &st, nil
}

// Model is what a weights file says beside the weights.
type Model struct {
	Shape  kernels.Shape `json:"shape"`
	Skills []string      `json:"skills"` // vocabulary: skill names by id
	Hash   string        `json:"weights_sha256"`

	Inputs *dataplane.Inputs `json:"inputs,omitempty"` // how answers are read; nil: a plain model
	Cell   string            `json:"cell,omitempty"`   // empty: lstm; others have weights of the same shape
}

// Weights is a model as a file, without the state of its training. in is nil for
// a plain model.
func Weights(p *kernels.Params, skills []string, in *dataplane.Inputs) (*File, error) {
	return WeightsOf(p, Model{Skills: skills, Inputs: in})
}

// WeightsOf is Weights with all that a model is; its shape and its hash follow
// from p.
func WeightsOf(p *kernels.Params, m Model) (*File, error) {
	m.Shape, m.Hash = p.Shape, kernels.HashWeights(p)
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode model: %w", err)
	}
	meta := map[string]string{"format": "cohort-weights", "version": version, "model": string(text)}
	return newFile(split("", p.Shape, p.Data), meta)
}

// LoadWeights reads the file of Weights that has a hash from a store, and checks both
// hashes.
func LoadWeights(ctx context.Context, b lake.Blobs, hash string) (*kernels.Params, Model, error) {
	rc, err := b.Get(ctx, hash)
	if err != nil {
		return nil, Model{}, fmt.Errorf("open weights: %w", err)
	}
	rc = lake.Verify(rc, hash)
	defer rc.Close() //nolint:errcheck // read only
	p, m, err := ReadWeights(rc)
	if err != nil {
		return nil, m, fmt.Errorf("read weights %s: %w", hash, err)
	}
	return p, m, nil
}

// ReadWeights reads the file of Weights and checks the weights hash.
func ReadWeights(r io.Reader) (*kernels.Params, Model, error) {
	c, err := read(r)
	if err != nil {
		return nil, Model{}, err
	}
	meta := c.meta
	var m Model
	if meta["format"] != "cohort-weights" || meta["version"] != version {
		return nil, m, fmt.Errorf("%w: format %q, version %q", ErrCorrupt, meta["format"], meta["version"])
	}
	if err := json.Unmarshal([]byte(meta["model"]), &m); err != nil {
		return nil, m, fmt.Errorf("%w: model: %w", ErrCorrupt, err)
	}
	if err := checkShape(m.Shape); err != nil {
		return nil, m, err
	}
	p := &kernels.Params{Shape: m.Shape}
	if p.Data, err = join("", m.Shape, c); err != nil {
		return nil, m, err
	}
	if got := kernels.HashWeights(p); got != m.Hash {
		return nil, m, fmt.Errorf("%w: the weights hash to %s, not %s", ErrCorrupt, got, m.Hash)
	}
	return p, m, nil
}
