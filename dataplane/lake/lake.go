// Package lake keeps datasets, shard sets and artifacts in a content-addressed
// blob store.
package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// The errors of a blob store.
var (
	// ErrNotFound says that no blob has the hash.
	ErrNotFound = errors.New("blob not found")
	// ErrCorrupt says that a blob's bytes do not have its hash, or are not what
	// they should be.
	ErrCorrupt = errors.New("blob corrupt")
)

// Blobs is a content-addressed store. A hash is lower-case hex SHA-256.
type Blobs interface {
	// Put stores what r gives; the blob is durable when it returns.
	Put(ctx context.Context, r io.Reader) (hash string, size int64, err error)
	// Get opens a blob, or answers ErrNotFound. The reader checks the hash: the
	// read that reaches the end answers ErrCorrupt instead of io.EOF when the
	// bytes are not the blob's.
	Get(ctx context.Context, hash string) (io.ReadCloser, error)
	// Has reports whether the blob is there.
	Has(ctx context.Context, hash string) (bool, error)
}

// Read reads a whole blob and checks it.
func Read(ctx context.Context, b Blobs, hash string) (data []byte, err error) {
	rc, err := b.Get(ctx, hash)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	if data, err = io.ReadAll(rc); err != nil {
		return nil, fmt.Errorf("read blob %s: %w", hash, err)
	}
	if got := Hash(data); got != hash {
		return nil, fmt.Errorf("%w: %s has the bytes of %s", ErrCorrupt, hash, got)
	}
	return data, nil
}

// Write stores data.
func Write(ctx context.Context, b Blobs, data []byte) (hash string, err error) {
	hash, _, err = b.Put(ctx, bytes.NewReader(data))
	return hash, err
}

// Hash is the content address of data.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ValidHash reports whether a text is a content address.
func ValidHash(hash string) bool {
	if len(hash) != 2*sha256.Size {
		return false
	}
	for _, c := range hash {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Verify checks the hash of what is read from rc.
func Verify(rc io.ReadCloser, hash string) io.ReadCloser {
	return &verified{rc, sha256.New(), hash}
}

type verified struct {
	io.ReadCloser
	sum  hash.Hash
	want string
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want {
			return n, fmt.Errorf("%w: %s has the bytes of %s", ErrCorrupt, v.want, got)
		}
	}
	return n, err
}

// writeJSON stores a manifest. Struct fields have one order, so equal
// manifests have equal bytes.
func writeJSON(ctx context.Context, b Blobs, v any) (hash string, err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode manifest: %w", err)
	}
	return Write(ctx, b, text)
}

// readJSON reads a manifest of the version given.
func readJSON[T any](ctx context.Context, b Blobs, what, hash string, version func(*T) int) (*T, error) {
	text, err := Read(ctx, b, hash)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, hash, err)
	}
	v, err := decodeJSON(text, version)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, hash, err)
	}
	return v, nil
}

// manifestVersion is of all manifests here.
const manifestVersion = 1

func decodeJSON[T any](text []byte, version func(*T) int) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if got := version(v); got != manifestVersion {
		return nil, fmt.Errorf("%w: version %d, this binary reads %d", ErrCorrupt, got, manifestVersion)
	}
	return v, nil
}
