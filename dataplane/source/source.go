// Package source reads event logs and masks the students in them.
package source

import (
	"context"
	"io"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
)

// InputError says what is wrong with a person's file, in one line. No retry helps.
type InputError struct {
	File   string
	Row    int64  // the header is row 1; 0 when no row is to blame
	Column string // may be empty
	Text   string
}

func (e *InputError) Error() string { panic("follows") }

// CSVOptions say how a CSV file is read.
type CSVOptions struct {
	File    string // for errors
	Columns wire.Columns
	Mask    *Masker
}

// Stats counts rows.
type Stats struct {
	Rows    int64  `json:"rows"` // without the header
	Kept    int64  `json:"kept"`
	Dropped []Drop `json:"dropped"` // by reason
}

// Drop counts rows left out.
type Drop struct {
	Reason string `json:"reason"`
	Rows   int64  `json:"rows"`
}

func ReadCSV(ctx context.Context, r io.Reader, o CSVOptions, emit func(dataplane.Event) error) (Stats, error) {
	panic("follows")
}

// FoldOptions say how a fold file is read.
type FoldOptions struct {
	File    string // for errors
	Student string // column
	Column  string // column of the fold number
	Mask    *Masker
}

func ReadFolds(ctx context.Context, r io.Reader, o FoldOptions) (*lake.Folds, error) {
	panic("follows")
}

// DefaultMaskKey masks when no key is named.
const DefaultMaskKey = "cohort default mask key, version 1"

// Masker masks student ids.
type Masker struct{}

func NewMasker(key []byte) *Masker           { panic("follows") }
func (m *Masker) Mask(student string) string { panic("follows") }
func (m *Masker) Fingerprint() string        { panic("follows") }

// ResolveKey reads "env:NAME" or "file:PATH"; "" gives DefaultMaskKey and named false.
func ResolveKey(ref string) (key []byte, named bool, err error) { panic("follows") }
