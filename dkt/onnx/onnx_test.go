package onnx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/dkt/onnx"
	"cohort/kernels"
)

func TestTheGraphIsTheModel(t *testing.T) {
	t.Parallel()
	for name, p := range models() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := histories(p.Shape, 90)
			agree(t, ask(t, export(t, p), in), native(t, p, in))
		})
	}
}

func TestTheFileSaysWhatItIs(t *testing.T) {
	t.Parallel()
	p := models()["plain"]
	file := export(t, p)
	if !bytes.Equal(file, export(t, p)) {
		t.Error("the same model gives other bytes")
	}
	m := read(t, file)
	if m.numbers[1][0] != 8 || read(t, m.parts[8][0]).numbers[2][0] != 17 || m.texts(2)[0] != "cohort" {
		t.Errorf("versions %v, sets %q, made by %q", m.numbers, m.parts[8], m.texts(2))
	}
	got := map[string]string{}
	for _, b := range m.parts[14] {
		entry := read(t, b)
		got[entry.texts(1)[0]] = entry.texts(2)[0]
	}
	var names []string
	if err := json.Unmarshal([]byte(got["skills"]), &names); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(skills(7), names); d != "" {
		t.Error(d)
	}
	if got["version"] != "3" || got["model"] != "dkt" || len(got) != 3 {
		t.Errorf("metadata %v", got)
	}
}

func TestModelsThatCannotBeExportedAreRefused(t *testing.T) {
	t.Parallel()
	plain := kernels.Shape{Skills: 2, Embed: 3, Hidden: 4, Layers: 1}
	kinds, levels := plain, plain
	kinds.Kinds, levels.Levels = 4, 3
	for _, s := range []kernels.Shape{kinds, levels} {
		if err := onnx.Write(io.Discard, kernels.NewParams(s), skills(2), nil); !errors.Is(err, onnx.ErrInputs) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	short := kernels.NewParams(plain)
	short.Data = short.Data[1:]
	for want, write := range map[string]func() error{
		"1 names of 2 skills": func() error { return onnx.Write(io.Discard, kernels.NewParams(plain), skills(1), nil) },
		`has the key "skills"`: func() error {
			return onnx.Write(io.Discard, kernels.NewParams(plain), skills(2), map[string]string{"skills": ""})
		},
		"weights of a shape with": func() error { return onnx.Write(io.Discard, short, skills(2), nil) },
		"has an empty part":       func() error { return onnx.Write(io.Discard, &kernels.Params{}, nil, nil) },
		"io: read/write on closed pipe": func() error {
			r, w := io.Pipe()
			r.Close() //nolint:errcheck // it is a pipe's end
			return onnx.Write(w, kernels.NewParams(plain), skills(2), nil)
		},
	} {
		if err := write(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}
