package bench

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/fetch"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// Log is an event log and its split, as a job file names them.
type Log struct {
	Events, Folds, Column string // files; without Folds the split is by student
	Fold                  int    // that tests, of five; the next validates
	Window                int
}

// shards of a measured set.
const shards = 16

// NewLogEpoch is an epoch of a real log, at protocol M.
func NewLogEpoch(ctx context.Context, l Log, hidden int) (Epoch, error) {
	e, _, err := openLog(ctx, l, hidden)
	return e, err
}

// openLog takes a log through the data plane. reload is a worker's part of it:
// from shards to sequences.
func openLog(ctx context.Context, l Log, hidden int) (e Epoch, reload func(context.Context) (dkt.Data, error), err error) {
	e.Name = fmt.Sprintf("log/H=%d", hidden)
	text, err := os.ReadFile(l.Events)
	if err != nil {
		return e, nil, err
	}
	p := &pipeline{blobs: lake.NewMemory(), mask: source.NewMasker(nil)}
	divide, err := l.divider(ctx, p.mask)
	if err != nil {
		return e, nil, err
	}
	reload = func(ctx context.Context) (dkt.Data, error) { return p.sequences(ctx, divide, l.Window) }
	for _, f := range []func(context.Context) error{
		func(ctx context.Context) error { return p.readCSV(ctx, l.Events, text) }, p.writeDataset, p.writeShards,
	} {
		if err := f(ctx); err != nil {
			return e, nil, err
		}
	}
	if e.Data, err = reload(ctx); err != nil {
		return e, nil, err
	}
	if len(e.Data.Train.Seqs) == 0 || len(e.Data.Valid.Seqs) == 0 {
		return e, nil, dkt.ErrNoTrain
	}
	e.Config = config(kernels.Shape{Skills: len(p.set.Skills), Embed: hidden, Hidden: hidden, Layers: 1})
	return e, reload, nil
}

// sequences decodes the shards and cuts windows of those who train and validate.
func (p *pipeline) sequences(ctx context.Context, divide func(string) (sequence.Part, error), window int) (d dkt.Data, err error) {
	if err := p.loadShards(ctx); err != nil {
		return d, err
	}
	sides, err := sequence.Divide(p.histories, divide)
	if err != nil {
		return d, err
	}
	if d.Train, err = sequence.Build(sides[sequence.Train], window, len(p.set.Skills)); err != nil {
		return d, err
	}
	d.Valid, err = sequence.Build(sides[sequence.Valid], window, len(p.set.Skills))
	return d, err
}

func (l Log) divider(ctx context.Context, mask *source.Masker) (func(string) (sequence.Part, error), error) {
	if l.Folds == "" {
		return func(student string) (sequence.Part, error) { return sequence.PartByHash(student, 1, 0.2, 0.2), nil }, nil
	}
	f, err := os.Open(l.Folds)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	folds, err := source.ReadFolds(ctx, f, source.FoldOptions{
		File: l.Folds, Student: wire.DefaultColumns().Student, Column: l.Column, Mask: mask,
	})
	if err != nil {
		return nil, err
	}
	return func(student string) (sequence.Part, error) {
		fold, ok := folds.Fold(student)
		if !ok {
			return 0, fmt.Errorf("%s: a student has no fold", l.Folds)
		}
		return sequence.PartByFold(fold, l.Fold, l.Fold%5+1), nil
	}, nil
}

// pipeline takes a log through the data plane, a step a method.
type pipeline struct {
	blobs     *lake.Memory
	mask      *source.Masker
	events    *lake.Events
	dataset   string
	shards    string
	set       *lake.ShardSet
	histories []dataplane.History
}

func (p *pipeline) readCSV(ctx context.Context, file string, text []byte) error {
	p.events = lake.NewEvents()
	o := source.CSVOptions{File: file, Columns: wire.DefaultColumns(), Mask: p.mask}
	_, err := source.ReadCSV(ctx, bytes.NewReader(text), o, p.events.Add)
	return err
}

func (p *pipeline) writeDataset(ctx context.Context) (err error) {
	_, p.dataset, err = lake.WriteDataset(ctx, p.blobs, p.events, p.mask.Fingerprint())
	return err
}

func (p *pipeline) writeShards(ctx context.Context) (err error) {
	_, p.shards, err = lake.WriteShards(ctx, p.blobs, p.dataset, "combine", shards)
	return err
}

func (p *pipeline) loadShards(ctx context.Context) (err error) {
	p.set, p.histories, err = fetch.New("", p.blobs, nil, slog.New(slog.DiscardHandler)).Histories(ctx, p.shards)
	return err
}
