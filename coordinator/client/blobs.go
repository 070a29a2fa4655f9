package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"

	"cohort/coordinator/wire"
)

// Blobs is the coordinators' blob store, over HTTP.
type Blobs struct {
	c       *Client
	missing error
	altered error
}

// Blobs returns the cluster's blob store. The first error known is wrapped by Get's
// when no blob has the hash, the second by a reader's when the bytes have not.
func (c *Client) Blobs(known ...error) *Blobs {
	b := &Blobs{c: c, altered: errAltered}
	if len(known) > 0 {
		b.missing = known[0]
	}
	if len(known) > 1 {
		b.altered = known[1]
	}
	return b
}

var errAltered = errors.New("blob altered")

// Put uploads what r gives under its hash; the blob is durable when it returns.
// A reader that can't seek is kept in a temporary file first, since the hash
// goes ahead of the bytes.
func (b *Blobs) Put(ctx context.Context, r io.Reader) (hash string, size int64, err error) {
	seeker, ok := r.(io.ReadSeeker)
	if !ok {
		f, err := os.CreateTemp("", "cohort-upload-")
		if err != nil {
			return "", 0, fmt.Errorf("keep upload: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
		if _, err := io.Copy(f, r); err != nil {
			return "", 0, fmt.Errorf("keep upload: %w", err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return "", 0, fmt.Errorf("keep upload: %w", err)
		}
		seeker = f
	}
	return b.put(ctx, seeker)
}

func (b *Blobs) put(ctx context.Context, r io.ReadSeeker) (string, int64, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return "", 0, fmt.Errorf("upload: %w", err)
	}
	h := sha256.New()
	size, err := io.Copy(h, r)
	if err != nil {
		return "", 0, fmt.Errorf("read upload: %w", err)
	}
	hash := hex.EncodeToString(h.Sum(nil))
	answer, err := b.c.send(ctx, call{
		method: http.MethodPut, path: "/v1/blobs/" + hash, length: size,
		body: func() (io.Reader, error) {
			if _, err := r.Seek(start, io.SeekStart); err != nil {
				return nil, fmt.Errorf("upload: %w", err)
			}
			return io.NopCloser(r), nil // the caller closes r
		},
	})
	if err != nil {
		return "", 0, err
	}
	return hash, size, answer.Body.Close()
}

// Get opens a blob; the reader checks the hash at the end.
func (b *Blobs) Get(ctx context.Context, hash string) (io.ReadCloser, error) {
	r, err := b.c.send(ctx, call{method: http.MethodGet, path: "/v1/blobs/" + esc(hash)}) //nolint:bodyclose // the caller closes what is returned
	if err != nil {
		var reply *wire.Error
		if errors.As(err, &reply) && reply.Code == wire.CodeNotFound && b.missing != nil {
			return nil, fmt.Errorf("%w: %s", b.missing, hash)
		}
		return nil, err
	}
	return &checked{r.Body, sha256.New(), hash, b.altered}, nil
}

// checked fails at the end of a blob whose bytes do not have its hash.
type checked struct {
	io.ReadCloser
	sum  hash.Hash
	want string
	not  error
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(c.sum.Sum(nil)); got != c.want {
			return n, fmt.Errorf("%w: %s came with the bytes of %s", c.not, c.want, got)
		}
	}
	return n, err
}

// Has reports whether the blob is there.
func (b *Blobs) Has(ctx context.Context, hash string) (bool, error) {
	r, err := b.c.send(ctx, call{method: http.MethodHead, path: "/v1/blobs/" + esc(hash)})
	var reply *wire.Error
	switch {
	case err == nil:
		return true, r.Body.Close()
	case errors.As(err, &reply) && reply.Code == wire.CodeNotFound:
		return false, nil
	}
	return false, err
}
