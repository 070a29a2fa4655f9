package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Folder is a blob store on one machine's file system: HASH[:2]/HASH below its
// root. A blob is written aside, synced and renamed, so that a name always
// stands for whole bytes.
type Folder struct {
	dir     string
	durable bool
}

var _ Blobs = (*Folder)(nil)

// aside is where blobs are written.
const aside = "tmp"

// OpenFolder opens or makes a durable store: Put syncs the file and its folder.
func OpenFolder(dir string) (*Folder, error) { return open(dir, true) }

// OpenCache opens or makes a store that may lose blobs in a power cut.
func OpenCache(dir string) (*Folder, error) { return open(dir, false) }

func open(dir string, durable bool) (*Folder, error) {
	tmp := filepath.Join(dir, aside)
	if err := os.RemoveAll(tmp); err != nil { // what a killed process left
		return nil, fmt.Errorf("clean blob store: %w", err)
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return nil, fmt.Errorf("make blob store: %w", err)
	}
	return &Folder{dir, durable}, nil
}

func (f *Folder) path(hash string) string { return filepath.Join(f.dir, hash[:2], hash) }

// Put stores a blob. When it fails, for a full disk say, nothing is left.
func (f *Folder) Put(ctx context.Context, r io.Reader) (hash string, size int64, err error) {
	w, err := os.CreateTemp(filepath.Join(f.dir, aside), "put-")
	if err != nil {
		return "", 0, fmt.Errorf("store blob: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(w.Name()) // the error at hand says more
		}
	}()
	sum := sha256.New()
	size, err = io.Copy(io.MultiWriter(w, sum), patient{ctx, r})
	if err == nil && f.durable {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return "", 0, fmt.Errorf("store blob: %w", err)
	}
	hash = hex.EncodeToString(sum.Sum(nil))
	if err = f.publish(w.Name(), hash); err != nil {
		return "", 0, fmt.Errorf("store blob: %w", err)
	}
	return hash, size, nil
}

// publish gives a finished file its name.
func (f *Folder) publish(from, hash string) error {
	to := f.path(hash)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if !f.durable {
		return nil
	}
	return errors.Join(syncFolder(filepath.Dir(to)), syncFolder(f.dir))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// patient stops reading when ctx ends.
type patient struct {
	ctx context.Context //nolint:containedctx // a reader has no other way to be told
	r   io.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// Get opens a blob.
func (f *Folder) Get(_ context.Context, hash string) (io.ReadCloser, error) {
	if !ValidHash(hash) {
		return nil, fmt.Errorf("%w: %q is no hash", ErrNotFound, hash)
	}
	r, err := os.Open(f.path(hash))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, hash)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return Verify(r, hash), nil
}

// Has reports whether a blob is there.
func (f *Folder) Has(_ context.Context, hash string) (bool, error) {
	if !ValidHash(hash) {
		return false, nil
	}
	_, err := os.Stat(f.path(hash))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for blob: %w", err)
	}
	return true, nil
}

// Remove drops a blob, if it is there: a cache's way out of a corrupt one.
func (f *Folder) Remove(hash string) error {
	if err := os.Remove(f.path(hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove blob: %w", err)
	}
	return nil
}

// Memory is a blob store for tests and simulations.
type Memory struct {
	mu    sync.Mutex
	blobs map[string][]byte
}

var _ Blobs = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{blobs: map[string][]byte{}} }

// Put stores a blob.
func (m *Memory) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	data, err := io.ReadAll(patient{ctx, r})
	if err != nil {
		return "", 0, fmt.Errorf("store blob: %w", err)
	}
	hash := Hash(data)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[hash] = data
	return hash, int64(len(data)), nil
}

// Get opens a blob.
func (m *Memory) Get(_ context.Context, hash string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.blobs[hash]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, hash)
	}
	return Verify(io.NopCloser(bytes.NewReader(data)), hash), nil
}

// Has reports whether a blob is there.
func (m *Memory) Has(_ context.Context, hash string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.blobs[hash]
	return ok, nil
}
