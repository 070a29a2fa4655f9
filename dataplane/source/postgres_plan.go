package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
)

// pgPlan fixes what is read: the rows of Taken that are not of Before, by key.
type pgPlan struct {
	Version int `json:"version"`
	pgIdentity
	Taken  pgTaken   `json:"taken"`
	Before *pgTaken  `json:"before,omitempty"` // of the plan before this; none: nothing was taken
	Xmax   int64     `json:"xmax"`             // of the snapshot
	Rows   int64     `json:"rows"`             // of this plan and all before
	Sum    string    `json:"sum"`              // of their keys' hashes: they are the same rows as then
	New    int64     `json:"new"`              // of this plan
	Ranges []pgRange `json:"ranges"`           // by key
	Last   string    `json:"last"`             // greatest key
}

// pgRange is the keys from First to before the next range's, or to the last.
type pgRange struct {
	First string `json:"first"`
	Rows  int64  `json:"rows"`
}

const pgPlanVersion = 1

var pgSum = regexp.MustCompile(`^-?[0-9]{1,60}$`)

// decodePgPlan reads a plan; none is nil.
func decodePgPlan(raw json.RawMessage) (*pgPlan, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	p := &pgPlan{}
	if err := d.Decode(p); err != nil {
		return nil, errPgPlan // its text may repeat a key
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errPgPlan
	}
	if p.Version != pgPlanVersion {
		return nil, fmt.Errorf("the plan is of version %d, this program's are of %d", p.Version, pgPlanVersion)
	}
	return p, p.check()
}

// check finds what makes a plan none.
func (p *pgPlan) check() error {
	if err := p.Taken.check(); err != nil {
		return fmt.Errorf("%w: %w", errPgPlan, err)
	}
	if p.Before != nil {
		if err := p.Before.check(); err != nil {
			return fmt.Errorf("%w: %w", errPgPlan, err)
		}
	}
	left := p.New
	for _, r := range p.Ranges {
		if r.Rows <= 0 || r.Rows > left {
			return errPgPlan
		}
		left -= r.Rows
	}
	if left != 0 || p.New <= 0 || p.Rows < p.New || p.Xmax < p.Taken.Below || !pgSum.MatchString(p.Sum) || p.Source == "" || p.Key == "" || p.KeyType == "" {
		return errPgPlan
	}
	return nil
}

// wanted is the SQL that holds for the plan's rows.
func (p *pgPlan) wanted(id string) string {
	if p.Before == nil {
		return p.Taken.has(id)
	}
	return p.Taken.has(id) + " AND NOT " + p.Before.has(id)
}
