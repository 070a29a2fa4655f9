// Package source reads event logs and masks the students in them.
package source

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// InputError says what is wrong with a person's file, in one line. No retry helps.
type InputError struct {
	File   string
	Row    int64  // the header is row 1; 0 when no row is to blame
	Column string // may be empty
	Text   string
}

func (e *InputError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Row > 0 {
		fmt.Fprintf(&b, ", row %d", e.Row)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, ", column %q", e.Column)
	}
	// One line, even where a quoted header holds line breaks.
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(b.String() + ": " + e.Text)
}

// Stats counts rows.
type Stats struct {
	Rows     int64  `json:"rows"` // without the header
	Kept     int64  `json:"kept"`
	Rejected int64  `json:"rejected,omitempty"` // no events
	Dropped  []Drop `json:"dropped"`            // by reason
}

// Drop counts rows left out.
type Drop struct {
	Reason string `json:"reason"`
	Rows   int64  `json:"rows"`
}

func (s *Stats) drop(reason string) {
	for k := range s.Dropped {
		if s.Dropped[k].Reason == reason {
			s.Dropped[k].Rows++
			return
		}
	}
	s.Dropped = append(s.Dropped, Drop{reason, 1})
}

// DefaultMaskKey masks when no key is named.
const DefaultMaskKey = "cohort default mask key, version 1"

// maskBytes of the HMAC become the masked id, in hex.
const maskBytes = 16

// Masker masks student ids by HMAC-SHA256 (RFC 2104). It remembers the ids it
// has seen, and is for one goroutine.
type Masker struct {
	key  []byte
	seen map[string]string
}

// NewMasker masks under key.
func NewMasker(key []byte) *Masker { return &Masker{key, map[string]string{}} }

// Mask is the masked form of a student id, 32 hex digits.
func (m *Masker) Mask(student string) string {
	if masked, ok := m.seen[student]; ok {
		return masked
	}
	h := hmac.New(sha256.New, m.key)
	h.Write([]byte(student))
	masked := hex.EncodeToString(h.Sum(nil)[:maskBytes])
	m.seen[strings.Clone(student)] = masked
	return masked
}

// Fingerprint names the key without giving it away: 16 hex digits.
func (m *Masker) Fingerprint() string {
	h := hmac.New(sha256.New, m.key)
	h.Write([]byte("cohort mask key fingerprint"))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// ResolveKey reads "env:NAME" or "file:PATH"; "" gives DefaultMaskKey and named false.
func ResolveKey(ref string) (key []byte, named bool, err error) {
	if ref == "" {
		return []byte(DefaultMaskKey), false, nil
	}
	text, err := resolveSecret(ref)
	if err != nil {
		return nil, false, err
	}
	return []byte(text), true, nil
}
