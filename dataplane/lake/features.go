package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cohort/dataplane"
)

// FeatureSet is the manifest of feature tables; the hash of its JSON is its ID.
// It names nothing but content and settings: the same dataset, settings and cut
// have one ID, however the tables were come by.
type FeatureSet struct {
	Version  int             `json:"version"`
	Code     int             `json:"code"` // version of what made the features
	Dataset  string          `json:"dataset"`
	Mask     string          `json:"mask"`    // fingerprint of the mask key
	Sources  []string        `json:"sources"` // hashes of the dataset's parts
	Settings FeatureSettings `json:"settings"`
	Cut      int64           `json:"cut"`      // microseconds: events at or after it are not seen; 0: all are
	Events   int64           `json:"events"`   // seen
	Students int64           `json:"students"` // with an event that is seen
	Fit      ItemFit         `json:"fit"`      // of the items
	Tables   []FeatureTable  `json:"tables"`
}

// FeatureSettings are what, beside the dataset and the cut, decides features.
type FeatureSettings struct {
	Recent int     `json:"recent"`
	Gap    int64   `json:"gap_us"`
	Clock  bool    `json:"clock"`           // times of the dataset are a clock's
	Folds  string  `json:"folds,omitempty"` // content hash of a fold table
	Test   float64 `json:"test"`            // items are fitted on students of neither
	Valid  float64 `json:"valid"`           // part: folds, or shares by seeded hash
	Seed   uint32  `json:"seed"`
}

// ItemFit says how item difficulties were fitted.
type ItemFit struct {
	Students       int     `json:"students"`
	Items          int     `json:"items"`
	Answers        int     `json:"answers"`
	AbilitySD      float64 `json:"ability_sd"`
	DifficultyMean float64 `json:"difficulty_mean"`
	DifficultySD   float64 `json:"difficulty_sd"`
	Iterations     int     `json:"iterations"`
	Converged      bool    `json:"converged"`
}

// FeatureTable is one table of a feature set, its rows sorted by Keys. A table
// whose first key is the student has dataplane.Parts parts, dealt as a dataset's
// are; another has one.
type FeatureTable struct {
	Name    string        `json:"name"`
	Keys    []string      `json:"keys"` // the first columns
	Columns []TableColumn `json:"columns"`
	Rows    int64         `json:"rows"`
	Parts   []TablePart   `json:"parts"`
}

// student is the key of tables that are dealt by student.
const student = "student"

// ByStudent reports whether the table is dealt by student.
func (t *FeatureTable) ByStudent() bool { return len(t.Keys) > 0 && t.Keys[0] == student }

// NewTable begins a table with the columns of t.
func (s *FeatureSet) NewTable(name string, keys []string, t *dataplane.Table) *FeatureTable {
	s.Tables = append(s.Tables, FeatureTable{Name: name, Keys: keys, Columns: columnsOf(t)})
	return &s.Tables[len(s.Tables)-1]
}

// Table finds a table, or answers nil.
func (s *FeatureSet) Table(name string) *FeatureTable {
	k := slices.IndexFunc(s.Tables, func(t FeatureTable) bool { return t.Name == name })
	if k < 0 {
		return nil
	}
	return &s.Tables[k]
}

// Write stores rows as the table's next part.
func (t *FeatureTable) Write(ctx context.Context, b Blobs, rows *dataplane.Table) error {
	if !rows.SameColumns(emptyTable(t.Columns)) {
		return fmt.Errorf("table %s: the columns of part %d are others", t.Name, len(t.Parts))
	}
	p, err := writeTable(ctx, b, rows)
	if err != nil {
		return fmt.Errorf("table %s, part %d: %w", t.Name, len(t.Parts), err)
	}
	t.Keep(p)
	return nil
}

// Keep takes a stored part as the table's next.
func (t *FeatureTable) Keep(p TablePart) {
	t.Parts = append(t.Parts, p)
	t.Rows += p.Rows
}

// Read reads part k whole.
func (t *FeatureTable) Read(ctx context.Context, b Blobs, k int) (*dataplane.Table, error) {
	all := emptyTable(t.Columns)
	err := t.visit(ctx, b, k, func(piece *dataplane.Table) error {
		all.Append(piece, 0, piece.Rows())
		return nil
	})
	return all, err
}

func (t *FeatureTable) visit(ctx context.Context, b Blobs, k int, visit func(*dataplane.Table) error) error {
	if err := readTable(ctx, b, t.Columns, t.Parts[k], visit); err != nil {
		return fmt.Errorf("table %s, part %d: %w", t.Name, k, err)
	}
	return nil
}

// WriteFeatures stores a feature set's manifest.
func WriteFeatures(ctx context.Context, b Blobs, s *FeatureSet) (id string, err error) {
	s.Version = manifestVersion
	if err := s.check(); err != nil {
		return "", err
	}
	return writeJSON(ctx, b, s)
}

// ReadFeatureSet reads a feature set's manifest.
func ReadFeatureSet(ctx context.Context, b Blobs, id string) (*FeatureSet, error) {
	s, err := readJSON(ctx, b, "feature set", id, func(s *FeatureSet) int { return s.Version })
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("feature set %s: %w: %w", id, ErrCorrupt, err)
	}
	return s, nil
}

// check holds the manifest's tables to what readers rely on.
func (s *FeatureSet) check() error {
	for _, t := range s.Tables {
		parts := 1
		if t.ByStudent() {
			parts = dataplane.Parts
		}
		if len(t.Parts) != parts {
			return fmt.Errorf("table %s has %d parts, want %d", t.Name, len(t.Parts), parts)
		}
		if len(t.Keys) == 0 || len(t.Keys) > len(t.Columns) {
			return fmt.Errorf("table %s has %d keys for %d columns", t.Name, len(t.Keys), len(t.Columns))
		}
		for k, name := range t.Keys {
			if c := t.Columns[k]; c.Name != name || c.Type != dataplane.KindText {
				return fmt.Errorf("table %s: its column %d is no key %s", t.Name, k, name)
			}
		}
	}
	return nil
}

// errPast ends a visit of sorted rows.
var errPast = errors.New("past what was looked for")

// StudentRows are a student's rows of one table.
type StudentRows struct {
	Name string
	Rows *dataplane.Table
}

// FeaturesOf reads a student's rows of the tables that are dealt by student: of
// each only the part that holds him. A stranger has no rows.
func FeaturesOf(ctx context.Context, b Blobs, s *FeatureSet, id string) ([]StudentRows, error) {
	var found []StudentRows
	for k := range s.Tables {
		t := &s.Tables[k]
		if !t.ByStudent() {
			continue
		}
		rows := emptyTable(t.Columns)
		err := t.visit(ctx, b, dataplane.StudentShard(id, dataplane.Parts), func(piece *dataplane.Table) error {
			ids := piece.Columns[0].Texts
			from, _ := slices.BinarySearch(ids, id)
			to := from
			for to < len(ids) && ids[to] == id {
				to++
			}
			rows.Append(piece, from, to)
			if to < len(ids) {
				return errPast
			}
			return nil
		})
		if err != nil && !errors.Is(err, errPast) {
			return nil, err
		}
		found = append(found, StudentRows{t.Name, rows})
	}
	return found, nil
}

// ReadStudent visits a student's events in canonical order: of the dataset only
// the part that holds him, up to his last row.
func (m *Manifest) ReadStudent(ctx context.Context, b Blobs, id string, visit func(dataplane.Event) error) error {
	err := m.ReadPart(ctx, b, dataplane.StudentShard(id, dataplane.Parts), func(e dataplane.Event) error {
		switch {
		case e.Student < id:
			return nil
		case e.Student > id:
			return errPast
		}
		return visit(e)
	})
	if errors.Is(err, errPast) {
		return nil
	}
	return err
}
