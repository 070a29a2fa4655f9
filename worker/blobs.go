package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// patient is a blob store that is tried again while it cannot be reached, so
// that a task outlives a restart of the coordinator.
type patient struct {
	blobs lake.Blobs
	log   *slog.Logger
}

var _ lake.Blobs = (*patient)(nil)

// internalTries is how often a store may answer that it is broken (its disk is
// full, say) before it is believed.
const internalTries = 5

// retry repeats f until it succeeds, fails for good, or ctx ends.
func (p *patient) retry(ctx context.Context, what string, f func() error) error {
	var b backoff
	for internal := 0; ; {
		err := f()
		if err == nil || lasting(err) {
			return err
		}
		if e, ok := errors.AsType[*wire.Error](err); ok && e.Code == wire.CodeInternal {
			if internal++; internal == internalTries {
				return err
			}
		}
		if ctx.Err() == nil {
			p.log.Warn("blob store not reached yet", "doing", what, "error", err)
		}
		if !b.wait(ctx) {
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
	}
}

// lasting reports whether another try can't help: the store has answered, or
// it is a folder that fails.
func lasting(err error) bool {
	_, local := errors.AsType[*fs.PathError](err)
	return local || final(err) || errors.Is(err, lake.ErrNotFound) || errors.Is(err, lake.ErrCorrupt)
}

// Put stores what r gives. It is read into memory unless it can be rewound.
func (p *patient) Put(ctx context.Context, r io.Reader) (hash string, size int64, err error) {
	again, ok := r.(io.ReadSeeker)
	if !ok {
		all, err := io.ReadAll(r)
		if err != nil {
			return "", 0, err
		}
		again = bytes.NewReader(all)
	}
	start, err := again.Seek(0, io.SeekCurrent)
	if err != nil {
		return "", 0, err
	}
	err = p.retry(ctx, "put", func() (err error) {
		if _, err = again.Seek(start, io.SeekStart); err == nil {
			hash, size, err = p.blobs.Put(ctx, struct{ io.ReadSeeker }{again}) // not to be closed between tries
		}
		return err
	})
	return hash, size, err
}

// Get opens a blob. A connection lost in the middle is taken up again.
func (p *patient) Get(ctx context.Context, hash string) (io.ReadCloser, error) {
	rc, err := p.open(ctx, hash)
	if err != nil {
		return nil, err
	}
	return &patientReader{ctx: ctx, of: p, hash: hash, rc: rc}, nil
}

func (p *patient) open(ctx context.Context, hash string) (rc io.ReadCloser, err error) {
	err = p.retry(ctx, "get", func() (err error) {
		rc, err = p.blobs.Get(ctx, hash)
		return err
	})
	if err != nil {
		return nil, err
	}
	return lake.Verify(rc, hash), nil
}

// patientReader reads a blob once, over as many connections as it takes.
type patientReader struct {
	ctx  context.Context //nolint:containedctx // of the Get: an io.Reader has no other
	of   *patient
	hash string
	rc   io.ReadCloser
	at   int64
}

func (r *patientReader) Read(b []byte) (int, error) {
	for {
		n, err := r.rc.Read(b)
		r.at += int64(n)
		if err == nil || errors.Is(err, io.EOF) || r.hopeless(err) {
			return n, err
		}
		if n > 0 {
			return n, nil // the error comes again at the next call
		}
		if err := r.reopen(err); err != nil {
			return 0, err
		}
	}
}

func (r *patientReader) hopeless(err error) bool { return lasting(err) || r.ctx.Err() != nil }

// reopen connects again and reads up to where the last connection broke.
func (r *patientReader) reopen(err error) error {
	for !r.hopeless(err) && pause(r.ctx, firstPause) {
		r.of.log.Warn("blob store lost while reading", "at", r.at, "error", err)
		_ = r.rc.Close() // broken already
		var rc io.ReadCloser
		if rc, err = r.of.open(r.ctx, r.hash); err != nil {
			r.rc = io.NopCloser(bytes.NewReader(nil))
			return err
		}
		r.rc = rc
		if _, err = io.CopyN(io.Discard, rc, r.at); err == nil {
			return nil
		}
	}
	return err
}

func (r *patientReader) Close() error { return r.rc.Close() }

// Has reports whether a blob is there.
func (p *patient) Has(ctx context.Context, hash string) (ok bool, err error) {
	err = p.retry(ctx, "has", func() (err error) {
		ok, err = p.blobs.Has(ctx, hash)
		return err
	})
	return ok, err
}
