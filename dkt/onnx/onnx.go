// Package onnx writes a trained model as an ONNX file (opset 17), so that other
// runtimes can ask it. The graph has two inputs, interactions, int64 [batch,
// time], each skill + Q·correct, and lengths, int64 [batch], how many of a row
// are a student's answers, at least 1; what follows them may be any interaction.
// Its output is probabilities, float32 [batch, Q]: that the student would answer
// each skill rightly next.
package onnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"cohort/kernels"
)

// The versions that a file names: those of 2022, which runtimes since then read.
const (
	irVersion = 8
	opset     = 17
)

// skillsKey is the metadata that holds the skills' names by id, as JSON.
const skillsKey = "skills"

// maxFile is the length that a protobuf message may have.
const maxFile = 1<<31 - 1

// Errors of Write.
var (
	ErrInputs = errors.New("onnx: a model that takes difficulty or elapsed time cannot be exported: its answers depend on tables outside of it")
	ErrLarge  = errors.New("onnx: the model is larger than an ONNX file can be, 2 GiB")
)

// Write writes a model. skills are the names of its skills by id; meta is kept
// in the file beside them, under any keys but "skills". The same model gives the
// same bytes.
func Write(w io.Writer, p *kernels.Params, skills []string, meta map[string]string) error {
	if err := check(p, skills, meta); err != nil {
		return err
	}
	names, err := json.Marshal(skills)
	if err != nil {
		return fmt.Errorf("encode skills: %w", err)
	}
	var m message
	m.number(1, irVersion)
	m.text(2, "cohort")
	m.part(7, graph(p))
	var set message
	set.number(2, opset)
	m.part(8, set)
	all := maps.Clone(meta)
	if all == nil {
		all = map[string]string{}
	}
	all[skillsKey] = string(names)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		var entry message
		entry.text(1, key)
		entry.text(2, all[key])
		m.part(14, entry)
	}
	if len(m) > maxFile {
		return ErrLarge
	}
	if _, err := w.Write(m); err != nil {
		return fmt.Errorf("write ONNX: %w", err)
	}
	return nil
}

func check(p *kernels.Params, skills []string, meta map[string]string) error {
	s := p.Shape
	if err := s.Check(); err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	switch {
	case s.Kinds > 0 || s.Levels > 0:
		return ErrInputs
	case len(p.Data) != s.ParamCount():
		return fmt.Errorf("onnx: %d weights of a shape with %d", len(p.Data), s.ParamCount())
	case len(skills) != s.Skills:
		return fmt.Errorf("onnx: %d names of %d skills", len(skills), s.Skills)
	case s.ParamCount() > maxFile/4:
		return ErrLarge
	}
	if _, ok := meta[skillsKey]; ok {
		return fmt.Errorf("onnx: metadata has the key %q, which is the file's own", skillsKey)
	}
	return nil
}
