package lake

import (
	"context"
	"encoding/json"
)

// Plan is what an extraction reads, fixed before it reads anything. Source is
// the reader's own, see dataplane/source.
type Plan struct {
	Version int             `json:"version"`
	At      int64           `json:"at_ms"`          // that the run which made it is for
	Base    string          `json:"base,omitempty"` // extraction that this one goes on from
	Source  json.RawMessage `json:"source"`
}

// Extraction is the manifest of what has been extracted from a source so far:
// by this extraction, and those that it goes on from.
type Extraction struct {
	Version  int      `json:"version"`
	Plan     string   `json:"plan,omitempty"` // hash; none of a file
	Base     string   `json:"base,omitempty"` // extraction before
	At       int64    `json:"at_ms"`          // of the run that planned it
	Dataset  string   `json:"dataset"`
	Rows     int64    `json:"rows"`
	Kept     int64    `json:"kept"`
	Dropped  []Count  `json:"dropped,omitempty"`  // left out by rule, in order of reason
	Rejected int64    `json:"rejected,omitempty"` // rows that are no events
	Rejects  []string `json:"rejects,omitempty"`  // hashes of their tables, oldest first
	Columns  []string `json:"columns"`            // by source.Field: "" is not mapped
}

// Count counts rows by reason.
type Count struct {
	Reason string `json:"reason"`
	Rows   int64  `json:"rows"`
}

// WritePlan stores a plan.
func WritePlan(ctx context.Context, b Blobs, p *Plan) (hash string, err error) {
	p.Version = manifestVersion
	return writeJSON(ctx, b, p)
}

// ReadPlan reads a plan.
func ReadPlan(ctx context.Context, b Blobs, hash string) (*Plan, error) {
	return readJSON(ctx, b, "plan", hash, func(p *Plan) int { return p.Version })
}

// WriteExtraction stores an extraction's manifest.
func WriteExtraction(ctx context.Context, b Blobs, e *Extraction) (hash string, err error) {
	e.Version = manifestVersion
	return writeJSON(ctx, b, e)
}

// ReadExtraction reads an extraction's manifest.
func ReadExtraction(ctx context.Context, b Blobs, hash string) (*Extraction, error) {
	return readJSON(ctx, b, "extraction", hash, func(e *Extraction) int { return e.Version })
}
