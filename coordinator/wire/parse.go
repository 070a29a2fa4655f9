package wire

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxSpecBytes is the longest job file.
const MaxSpecBytes = 1 << 20

// DefaultSpec is a job file's defaults: protocol M, the settings that a plain
// DKT is measured with.
func DefaultSpec() Spec {
	return Spec{
		Kind:     "train",
		Data:     DataSpec{Columns: DefaultColumns(), MultiSkill: "combine", Window: 200, Shards: 16},
		Split:    SplitSpec{Test: 0.2, Valid: 0.2, Seed: 1},
		Validate: DefaultValidate(),
		Model:    ModelSpec{Cell: "lstm", Embed: 200, Hidden: 200, Layers: 1, Dropout: 0.1},
		Train: TrainSpec{
			Workers: 1, Batch: 64, Accumulate: 1, Epochs: 200,
			Optimizer: "adam", LR: 0.001, Schedule: "constant", CycleMult: 1,
			Patience: 10, MinDelta: 0.001, Seed: 42, Precision: "fp32", Kernels: "auto",
		},
	}
}

// DefaultColumns are the columns of the ASSISTments logs.
func DefaultColumns() Columns {
	return Columns{
		Student: "user_id", Item: "problem_id", Skill: "skill_id",
		Correct: Correct{Column: "correct"}, Time: "order_id",
	}
}

// ParseSpec reads a job file, lays set ("train.epochs=2") over it, fills in the
// defaults and checks every field. The error is a *SpecError with all faults;
// file names the file in it.
func ParseSpec(file string, text []byte, set ...string) (Spec, error) {
	d := newDecoder(file, set)
	spec := DefaultSpec()
	root := d.document(text)
	if root != nil {
		if field(root, "data", "columns") != nil {
			spec.Data.Columns = Columns{}
		}
		d.override(root)
		if field(root, "tune") != nil {
			spec.Tune = DefaultTune()
		}
		fillModel(root, &spec)
		d.decode(root, &spec)
		d.checkSpec(&spec)
	}
	if len(d.faults) > 0 {
		return Spec{}, &SpecError{Faults: d.sorted()}
	}
	return spec, nil
}

// ParseStrict reads a YAML mapping into the struct that into points at: an
// unknown or repeated key and a value of the wrong type are errors with their
// line. Absent keys leave their fields as they are.
func ParseStrict(file string, text []byte, into any) error {
	d := newDecoder(file, nil)
	if root := d.document(text); root != nil {
		d.decode(root, into)
	}
	if len(d.faults) > 0 {
		return &SpecError{Faults: d.sorted()}
	}
	return nil
}

// Text is the specification as a job file with every field written out.
// ParseSpec reads it back to the same Spec.
func (s Spec) Text() (string, error) {
	text, err := yaml.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("write job file: %w", err)
	}
	return string(text), nil
}

// Fault is one thing wrong with a file. Line is 0 when none is to blame.
type Fault struct {
	Where string // the file, or the --set that brought it
	Line  int
	Text  string
	Set   bool // a --set is to blame, not the file
}

func (f Fault) String() string {
	if f.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", f.Where, f.Line, f.Text)
	}
	return fmt.Sprintf("%s: %s", f.Where, f.Text)
}

// SpecError lists every fault of a file, in the order of its lines.
type SpecError struct{ Faults []Fault }

// Error gives a line for each fault.
func (e *SpecError) Error() string {
	lines := make([]string, len(e.Faults))
	for k, f := range e.Faults {
		lines[k] = f.String()
	}
	return strings.Join(lines, "\n")
}

func (d *decoder) sorted() []Fault {
	slices.SortStableFunc(d.faults, func(a, b Fault) int { return a.Line - b.Line })
	return d.faults
}

// Stored reports whether a specification's file is already with the cluster:
// "sha256:HASH" or "dataset:ID", not a path of the client's.
func Stored(file string) bool {
	return strings.HasPrefix(file, "sha256:") || strings.HasPrefix(file, "dataset:")
}
