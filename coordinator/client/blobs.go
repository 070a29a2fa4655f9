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

// Blobs is the coordinators' blob store, over HTTP. Missing is the error that
// Get wraps when no blob has the hash.
type Blobs struct {
	c       *Client
	missing error
}

// Blobs returns the cluster's blob store; missing is wrapped by Get's error
// when no blob has the hash.
func (c *Client) Blobs(missing ...error) *Blobs {
	return &Blobs{c, errors.Join(missing...)}
}

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
	return &checked{r.Body, sha256.New(), hash}, nil
}

// checked fails at the end of a blob whose bytes do not have its hash.
type checked struct {
	io.ReadCloser
	sum  hash.Hash
	want string
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(c.sum.Sum(nil)); got != c.want {
			return n, fmt.Errorf("blob %s came with the bytes of %s", c.want, got)
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
