package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// extracted is an extraction's result.
type extracted struct {
	imported
	Read     int64 `json:"read"` // rows read by this extraction; the others' were there
	Rejected int64 `json:"rejected"`
}

// extractor reads a source, masked, into the lake. It is given one plan, however
// often it is tried.
type extractor struct {
	importer
	a       wire.Assignment
	source  wire.SourceSpec
	events  *lake.Events
	rejects []lake.Reject
	read    *source.Reader
	made    lake.Extraction
	// Of the recorded extraction that is made again; empty: none is.
	was         string   // its dataset
	wereRejects []string // tables of the rows that were no events
}

func runExtract(ctx context.Context, env Env, a wire.Assignment) (r wire.TaskResult, err error) {
	s, err := settings[wire.ExtractSettings](a.Stage)
	if err != nil {
		return r, err
	}
	x := &extractor{
		importer: importer{env: env, s: s.ImportSettings, in: a.Stage.Inputs}, a: a, source: s.Source, events: lake.NewEvents(),
	}
	if err := x.key(); err != nil {
		return r, err
	}
	bounds, err := boundsOf(s.Source)
	if err != nil {
		return r, err
	}
	r.Outputs = map[string]string{}
	if err := x.readFolds(ctx, r.Outputs); err != nil {
		return r, err
	}
	x.read = &source.Reader{
		Mapper: source.NewMapper(s.Columns, x.mask, bounds),
		Emit:   x.events.Add,
		Reject: func(j lake.Reject) error { x.rejects = append(x.rejects, j); return nil },
		Rows: func(rows int64) {
			env.Progress(wire.Progress{Message: "reading " + x.name(), Done: rows})
		},
	}
	if err := x.readAll(ctx); err != nil {
		return r, err
	}
	if err := x.finish(ctx, &r); err != nil {
		return r, err
	}
	return r, x.tellAltered(ctx, &r)
}

// boundsOf reads the bounds of a source that never change.
func boundsOf(s wire.SourceSpec) (b source.Bounds, err error) {
	b.From, err = boundOf(s.From)
	if err != nil {
		return b, err
	}
	b.To, err = boundOf(s.To)
	return b, err
}

func boundOf(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	t, err := wire.ParseBound(text)
	if err != nil {
		return 0, inputf("source: %v", err)
	}
	return t.UnixMicro(), nil
}

// name is what a person calls the source.
func (x *extractor) name() string {
	switch x.source.Kind {
	case "":
		return x.s.File
	case "kafka":
		return "topics " + strings.Join(x.source.Kafka.Topics, ", ")
	case "postgres":
		if x.source.Postgres.Table != "" {
			return "table " + x.source.Postgres.Table
		}
		return "the query"
	case wire.SourceAttempts:
		return "the attempt log"
	}
	return "the lake"
}

// readAll reads the file, or what the plan says of a source and, below it, the
// dataset that the plan goes on from.
func (x *extractor) readAll(ctx context.Context) error {
	recorded, err := x.recorded(ctx)
	if err != nil {
		return err
	}
	if x.source.Kind == "" {
		return x.readFile(ctx)
	}
	src, err := x.open(ctx)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // nothing is written to it
	if len(recorded) > 0 {
		return x.readAgain(ctx, src, recorded)
	}
	plan, err := x.plan(ctx, src)
	if err != nil {
		return err
	}
	if plan.Base != "" {
		if err := x.goOnFrom(ctx, plan.Base); err != nil {
			return err
		}
	}
	x.env.Progress(wire.Progress{Message: "reading " + x.name()})
	return src.Read(ctx, plan.Source, x.read)
}

func (x *extractor) open(ctx context.Context) (source.Source, error) {
	if x.source.Kind == wire.SourceAttempts && x.env.Attempts != nil {
		return source.OpenAttempts(x.env.Blobs, x.env.Attempts), nil
	}
	return source.Open(ctx, x.source)
}

// readFile reads the client's CSV. Students without a fold are an error, as
// nothing would say where they belong.
func (x *extractor) readFile(ctx context.Context) error {
	rc, err := x.env.Blobs.Get(ctx, x.in["events"])
	if err != nil {
		return fmt.Errorf("open %s: %w", x.s.File, err)
	}
	defer rc.Close() //nolint:errcheck // read only
	missing := map[string]bool{}
	if x.folds != nil {
		x.read.Emit = func(e dataplane.Event) error {
			if _, ok := x.folds.Fold(e.Student); !ok {
				missing[e.Student] = true
			}
			return x.events.Add(e)
		}
	}
	if err := source.ScanCSV(ctx, rc, x.s.File, x.read); err != nil {
		return err
	}
	if len(missing) > 0 {
		return x.strangers(ctx, missing)
	}
	return nil
}

// ErrReused says that what a plan reads has been read before: the coordinator
// has ended the stage.
var ErrReused = errors.New("nothing new: the earlier result stands")

// plan is the committed plan: an earlier attempt's, or one made now.
func (x *extractor) plan(ctx context.Context, src source.Source) (*lake.Plan, error) {
	hash := x.a.Stage.Plan
	if hash == "" {
		x.env.Progress(wire.Progress{Message: "looking for what is new in " + x.name()})
		made, err := x.makePlan(ctx, src)
		if err != nil {
			return nil, err
		}
		var reused bool
		if hash, reused, err = x.env.Commit(ctx, made); err != nil {
			return nil, err
		}
		if reused {
			x.env.Logger.Info("nothing new in the source")
			return nil, ErrReused
		}
	}
	x.made.Plan = hash
	plan, err := lake.ReadPlan(ctx, x.env.Blobs, hash)
	if err != nil {
		return nil, err
	}
	x.made.Base, x.made.At = plan.Base, plan.At
	return plan, nil
}

// makePlan plans from the last extraction of the stage's line on. With nothing
// new it answers that one's plan.
func (x *extractor) makePlan(ctx context.Context, src source.Source) (hash string, err error) {
	p := &lake.Plan{At: x.a.At}
	var last *lake.Plan
	if base := x.in["base"]; base != "" && x.a.Last != "" {
		if last, err = lake.ReadPlan(ctx, x.env.Blobs, x.a.Last); err != nil {
			return "", err
		}
		p.Base = base
		more := false
		if p.Source, more, err = src.Plan(ctx, last.Source); err != nil || !more {
			return x.a.Last, err
		}
	} else if p.Source, _, err = src.Plan(ctx, nil); err != nil {
		return "", err
	}
	return lake.WritePlan(ctx, x.env.Blobs, p)
}

// goOnFrom takes over what an earlier extraction has read.
func (x *extractor) goOnFrom(ctx context.Context, base string) error {
	b, err := lake.ReadExtraction(ctx, x.env.Blobs, base)
	if err != nil {
		return err
	}
	m, err := lake.ReadManifest(ctx, x.env.Blobs, b.Dataset)
	if err != nil {
		return err
	}
	if m.Mask != x.mask.Fingerprint() {
		return inputf("mask key %s is another than the one that earlier students are masked with: extract it in full again (fresh: true)", cmp.Or(x.s.MaskKey, "(none)"))
	}
	x.env.Progress(wire.Progress{Message: "taking over what is extracted already"})
	if err := lake.ReadEvents(ctx, x.env.Blobs, b.Dataset, x.events.Add); err != nil {
		return err
	}
	x.made.Rows, x.made.Kept, x.made.Rejected = b.Rows, b.Kept, b.Rejected
	x.made.Dropped, x.made.Rejects = b.Dropped, b.Rejects
	return nil
}

// finish writes dataset, rejects and manifest.
func (x *extractor) finish(ctx context.Context, r *wire.TaskResult) error {
	read := x.read.Stats
	if x.events.Len() == 0 {
		return x.nothing(read)
	}
	x.env.Progress(wire.Progress{Message: "writing the dataset", Done: read.Rows, Total: read.Rows})
	m, id, err := lake.WriteDataset(ctx, x.env.Blobs, x.events, x.mask.Fingerprint())
	if err != nil {
		return fmt.Errorf("write dataset: %w", err)
	}
	if len(x.rejects) > 0 {
		hash, err := lake.WriteRejects(ctx, x.env.Blobs, x.rejects)
		if err != nil {
			return fmt.Errorf("write rejects: %w", err)
		}
		x.made.Rejects = append(slices.Clone(x.made.Rejects), hash)
	}
	e := &x.made
	e.Dataset, e.Columns = id, columnNames(x.read.Names())
	e.Rows, e.Kept, e.Rejected = e.Rows+read.Rows, e.Kept+read.Kept, e.Rejected+read.Rejected
	e.Dropped = addCounts(e.Dropped, read.Dropped)
	r.Outputs["dataset"] = id
	if r.Outputs["extraction"], err = lake.WriteExtraction(ctx, x.env.Blobs, e); err != nil {
		return fmt.Errorf("write extraction: %w", err)
	}
	r.Dataset = &wire.Dataset{ID: id, Name: x.s.Name, Events: m.Events, Students: m.Students, Skills: int64(len(m.Skills)), Mask: m.Mask}
	r.Result, err = result("dataset", extracted{
		imported: imported{ID: id, Events: m.Events, Students: m.Students, Skills: len(m.Skills), Rows: e.Rows, Dropped: read.Dropped},
		Read:     read.Rows, Rejected: e.Rejected,
	})
	x.env.Logger.Info("extracted", "rows", read.Rows, "rejected", read.Rejected, "events", m.Events, "students", m.Students, "skills", len(m.Skills), "dataset", id)
	return err
}

// nothing says why there is not one event.
func (x *extractor) nothing(read source.Stats) error {
	text := "no events"
	switch {
	case len(x.rejects) > 0:
		first := x.rejects[0]
		text = fmt.Sprintf("none of %d rows is an event; the first fault: %s: %s", read.Rows, first.Place(), first.Reason)
	case len(read.Dropped) > 0:
		text = fmt.Sprintf("none of %d rows is left: of %d, %s", read.Rows, read.Dropped[0].Rows, read.Dropped[0].Reason)
	}
	return &source.InputError{File: x.name(), Text: text}
}

func columnNames(names [source.NumFields]string) []string { return names[:] }

// addCounts adds counts by reason.
func addCounts(all []lake.Count, more []source.Drop) []lake.Count {
	sum := slices.Clone(all)
	for _, d := range more {
		k, found := slices.BinarySearchFunc(sum, d.Reason, func(c lake.Count, reason string) int { return strings.Compare(c.Reason, reason) })
		if !found {
			sum = slices.Insert(sum, k, lake.Count{Reason: d.Reason})
		}
		sum[k].Rows += d.Rows
	}
	return sum
}
