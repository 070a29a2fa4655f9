package stage

import (
	"context"
	"errors"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// reportRows is how many rows pass between two reports of progress.
const reportRows = 20_000

// imported is an import's result.
type imported struct {
	ID       string        `json:"id"`
	Events   int64         `json:"events"`
	Students int64         `json:"students"`
	Skills   int           `json:"skills"`
	Rows     int64         `json:"rows"`
	Dropped  []source.Drop `json:"dropped,omitempty"`
}

// importer reads a client's files, masked, into the lake.
type importer struct {
	env   Env
	s     wire.ImportSettings
	in    map[string]string
	mask  *source.Masker
	folds *lake.Folds // nil without a fold file
}

func runImport(ctx context.Context, env Env, st wire.Stage) (r wire.TaskResult, err error) {
	s, err := settings[wire.ImportSettings](st)
	if err != nil {
		return r, err
	}
	i := &importer{env: env, s: s, in: st.Inputs}
	if err := i.key(); err != nil {
		return r, err
	}
	r.Outputs = map[string]string{}
	if err := i.readFolds(ctx, r.Outputs); err != nil {
		return r, err
	}
	events, stats, err := i.readEvents(ctx)
	if err != nil {
		return r, err
	}
	env.Progress(wire.Progress{Message: "writing the dataset", Done: stats.Rows, Total: stats.Rows})
	m, id, err := lake.WriteDataset(ctx, env.Blobs, events, i.mask.Fingerprint())
	if err != nil {
		return r, fmt.Errorf("write dataset: %w", err)
	}
	r.Outputs["dataset"] = id
	r.Dataset = &wire.Dataset{
		ID: id, Name: s.Name, Events: m.Events, Students: m.Students, Skills: int64(len(m.Skills)), Mask: m.Mask,
	}
	r.Result, err = result("dataset", imported{
		ID: id, Events: m.Events, Students: m.Students, Skills: len(m.Skills), Rows: stats.Rows, Dropped: stats.Dropped,
	})
	env.Logger.Info("imported", "file", s.File, "rows", stats.Rows, "events", m.Events, "students", m.Students, "skills", len(m.Skills), "dataset", id)
	return r, err
}

// key resolves the mask key on this worker. Without one, masked ids can be
// guessed by whoever knows cohort, so that is said.
func (i *importer) key() error {
	key, named, err := source.ResolveKey(i.s.MaskKey)
	if err != nil {
		return inputf("mask key: %v", err)
	}
	if !named {
		i.env.Logger.Warn("student ids are masked with the default key, which is public: set mask.key to env:NAME or file:PATH for real data")
	}
	i.mask = source.NewMasker(key)
	return nil
}

func (i *importer) readFolds(ctx context.Context, outputs map[string]string) error {
	hash := i.in["folds"]
	if hash == "" {
		return nil
	}
	i.env.Progress(wire.Progress{Message: "reading " + i.s.FoldFile})
	rc, err := i.env.Blobs.Get(ctx, hash)
	if err != nil {
		return fmt.Errorf("open %s: %w", i.s.FoldFile, err)
	}
	defer rc.Close() //nolint:errcheck // read only
	i.folds, err = source.ReadFolds(ctx, rc, source.FoldOptions{
		File: i.s.FoldFile, Student: i.s.FoldStudent, Column: i.s.FoldColumn, Mask: i.mask,
	})
	if err != nil {
		return err
	}
	outputs["folds"], err = lake.WriteFolds(ctx, i.env.Blobs, i.folds)
	if err != nil {
		return fmt.Errorf("write folds: %w", err)
	}
	return nil
}

// readEvents reads all events, each of whose students must have a fold.
func (i *importer) readEvents(ctx context.Context) (*lake.Events, source.Stats, error) {
	events := lake.NewEvents()
	missing := map[string]bool{}
	stats, err := i.scan(ctx, func(e dataplane.Event) error {
		if n := events.Len(); n%reportRows == 0 {
			i.env.Progress(wire.Progress{Message: "reading " + i.s.File, Done: int64(n)})
		}
		if i.folds != nil {
			if _, ok := i.folds.Fold(e.Student); !ok {
				missing[e.Student] = true
			}
		}
		return events.Add(e)
	})
	if err != nil {
		return nil, stats, err
	}
	if events.Len() == 0 {
		return nil, stats, &source.InputError{File: i.s.File, Text: "no events"}
	}
	if len(missing) > 0 {
		return nil, stats, i.strangers(ctx, missing)
	}
	return events, stats, nil
}

func (i *importer) scan(ctx context.Context, emit func(dataplane.Event) error) (source.Stats, error) {
	rc, err := i.env.Blobs.Get(ctx, i.in["events"])
	if err != nil {
		return source.Stats{}, fmt.Errorf("open %s: %w", i.s.File, err)
	}
	defer rc.Close() //nolint:errcheck // read only
	return source.ReadCSV(ctx, rc, source.CSVOptions{File: i.s.File, Columns: i.s.Columns, Mask: i.mask}, emit)
}

var errFound = errors.New("found")

// strangers names the first row whose student has no fold. It reads the file
// again: only a faulty one pays for that.
func (i *importer) strangers(ctx context.Context, missing map[string]bool) error {
	stats, err := i.scan(ctx, func(e dataplane.Event) error {
		if missing[e.Student] {
			return errFound
		}
		return nil
	})
	at := &source.InputError{File: i.s.File, Column: i.s.Columns.Student}
	if errors.Is(err, errFound) && stats.Rows > 0 {
		at.Row = stats.Rows + 1 // the header is row 1
	}
	at.Text = fmt.Sprintf("%d students have no fold in %s, the first of them here", len(missing), i.s.FoldFile)
	return at
}
