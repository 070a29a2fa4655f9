package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// parcel is what the reader of objects hands to the mapper: rows of a Parquet
// file, or a whole CSV file still to be read.
type parcel struct {
	rows *rowBatch
	csv  *object
	err  error
}

// ahead is how many batches may wait for the mapper.
const ahead = 2

// Read reads the plan's new objects in order. One goroutine decodes while the
// caller's maps.
func (l *objects) Read(ctx context.Context, plan json.RawMessage, r *Reader) error {
	p, err := parseLakePlan(plan)
	if err != nil {
		return err
	}
	if r.Again {
		if err := l.now(ctx, p.New); err != nil {
			return err
		}
	}
	within, cancel := context.WithCancel(ctx)
	parcels := make(chan parcel, ahead)
	send := func(p parcel) bool {
		select {
		case parcels <- p:
			return true
		case <-within.Done():
			return false
		}
	}
	s := &sender{ctx: within, send: send, names: r.Names(), free: make(chan *rowBatch, ahead+2)}
	go func() {
		defer close(parcels)
		l.decode(s, p.New)
	}()
	defer func() {
		cancel()
		for range parcels { // until it has ended
		}
	}()
	for next := range parcels {
		if err := l.take(ctx, next, r); err != nil {
			return err
		}
		if next.rows != nil {
			s.free <- next.rows
		}
	}
	return ctx.Err()
}

// now makes of objects what they are by now. One that is gone stays as it was.
func (l *objects) now(ctx context.Context, all []object) error {
	at := make(map[string]int, len(all))
	for k, o := range all {
		at[o.Name] = k
	}
	return l.store.list(ctx, l.pattern.prefix(), func(o object) error {
		if k, ok := at[o.Name]; ok {
			all[k] = o
		}
		return nil
	})
}

func (l *objects) take(ctx context.Context, p parcel, r *Reader) error {
	switch {
	case p.err != nil:
		return p.err
	case p.csv != nil:
		return l.readCSV(ctx, *p.csv, r)
	}
	return p.rows.visit(r)
}

// decode sends the rows of objects until one fails.
func (l *objects) decode(s *sender, all []object) {
	for _, o := range all {
		if o.kind() != kindParquet {
			if !s.send(parcel{csv: &o}) {
				return
			}
			continue
		}
		if err := l.readParquet(s, o); err != nil {
			s.send(parcel{err: err})
			return
		}
	}
}

func (l *objects) readCSV(ctx context.Context, o object, r *Reader) (err error) {
	c, err := l.store.open(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = c.Close()
			return
		}
		_ = c.Close() // the error at hand says more
	}()
	text, err := c.stream()
	if err != nil {
		return err
	}
	defer text.Close() //nolint:errcheck // read only
	return settle(ctx, c, ScanCSV(ctx, text, o.Name, r))
}

// settle prefers, of a failure, that the object is another one by now.
func settle(ctx context.Context, c content, err error) error {
	var known *outage
	if ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	if now := c.check(); now != nil {
		return now
	}
	return err
}

// sender is the decoding goroutine's end.
type sender struct {
	ctx   context.Context   //nolint:containedctx // of one Read
	send  func(parcel) bool // false: nobody listens any more
	free  chan *rowBatch
	names [NumFields]string
}

// batch is an empty batch of rows.
func (s *sender) batch() *rowBatch {
	select {
	case b := <-s.free:
		return b
	default:
		return &rowBatch{}
	}
}

// rowBatch is consecutive rows of a file, column by column.
type rowBatch struct {
	file  string
	first int64 // number of the first row; a file's rows count from 1
	n     int
	texts [NumFields][]string // empty where no column is mapped
}

// visit hands the rows to a reader.
func (b *rowBatch) visit(r *Reader) error {
	var v Values
	k := 0
	at := func() string { return fmt.Sprintf("%s, row %d", b.file, b.first+int64(k)) }
	for k = range b.n {
		for f := range v {
			if v[f] = ""; len(b.texts[f]) > 0 {
				v[f] = b.texts[f][k]
			}
		}
		if err := r.Row(at, &v); err != nil {
			return err
		}
	}
	return nil
}
