package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// A box is the folder of one attempt. Names in it never lead out of it.
type box struct {
	dir  string
	root *os.Root
}

func newBox(under, stage string) (*box, error) {
	if under == "" {
		return nil, errors.New("exec: this worker has no folder for commands")
	}
	if err := os.MkdirAll(under, 0o700); err != nil {
		return nil, fmt.Errorf("exec: make folder: %w", err)
	}
	dir, err := os.MkdirTemp(under, strings.Map(plain, stage)+"-")
	if err != nil {
		return nil, fmt.Errorf("exec: make folder: %w", err)
	}
	b := &box{dir: dir}
	if err := os.Mkdir(filepath.Join(dir, wire.TemporaryFolder), 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("exec: make folder: %w", err), os.RemoveAll(dir))
	}
	if b.root, err = os.OpenRoot(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("exec: open folder: %w", err), os.RemoveAll(dir))
	}
	return b, nil
}

// plain keeps a stage's name fit for a folder's.
func plain(r rune) rune {
	if r == '/' || r == '*' || r == os.PathSeparator || r < ' ' {
		return '_'
	}
	return r
}

// environment is what the command begins with: a minimum, and what is declared.
func (b *box) environment(declared []string) []string {
	var vars []string
	for _, v := range []string{
		"PATH=" + searchPath(), "HOME=" + b.dir, "TMPDIR=" + filepath.Join(b.dir, wire.TemporaryFolder), "LANG=C.UTF-8",
	} {
		name := v[:strings.IndexByte(v, '=')+1]
		if !slices.ContainsFunc(declared, func(d string) bool { return strings.HasPrefix(d, name) }) {
			vars = append(vars, v)
		}
	}
	return append(vars, declared...)
}

// fetch writes inputs, name → content hash, to files.
func (b *box) fetch(ctx context.Context, env Env, inputs map[string]string) error {
	for k, name := range slices.Sorted(maps.Keys(inputs)) {
		env.Progress(wire.Progress{Message: "fetching " + name, Done: int64(k), Total: int64(len(inputs))})
		if err := checkFile(name); err != nil {
			return err
		}
		if !lake.ValidHash(inputs[name]) {
			return inputf("exec: input %s: the stage that it comes from has no such output", name)
		}
		if err := b.fetchOne(ctx, env.Blobs, name, inputs[name]); err != nil {
			return fmt.Errorf("exec: input %s: %w", name, err)
		}
	}
	return nil
}

func (b *box) fetchOne(ctx context.Context, blobs lake.Blobs, name, hash string) (err error) {
	if err := b.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := b.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	rc, err := blobs.Get(ctx, hash) // the reader checks the hash
	if err != nil {
		return err
	}
	defer rc.Close() //nolint:errcheck // read only
	_, err = io.Copy(f, rc)
	return err
}

// checkFile holds a name to those of files below the folder.
func checkFile(name string) error {
	if !wire.LocalFile(name) {
		return inputf("exec: %q is no file name below the stage's folder", name)
	}
	return nil
}

// store keeps the outputs, and answers name → content hash.
func (b *box) store(ctx context.Context, env Env, names []string) (map[string]string, error) {
	outputs := map[string]string{}
	for k, name := range names {
		env.Progress(wire.Progress{Message: "storing " + name, Done: int64(k), Total: int64(len(names))})
		if err := checkFile(name); err != nil {
			return nil, err
		}
		hash, err := b.storeOne(ctx, env.Blobs, name)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		outputs[name] = hash
	}
	return outputs, nil
}

func (b *box) storeOne(ctx context.Context, blobs lake.Blobs, name string) (hash string, err error) {
	f, err := b.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for a writer
	if err != nil {
		return "", outputFault(err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("the command left no regular file there")
	}
	hash, _, err = blobs.Put(ctx, f)
	return hash, err
}

// outputFault says in a person's words why an output can't be read.
func outputFault(err error) error {
	e, ok := errors.AsType[*fs.PathError](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the command ended well without leaving this file")
	case ok && strings.Contains(e.Err.Error(), "escapes"):
		return errors.New("the command left a link that leads out of its folder")
	case errors.Is(err, syscall.ENXIO):
		return errors.New("the command left no regular file there")
	}
	return err
}

// remove drops the folder. A command may have made folders that can't be
// written to.
func (b *box) remove(log *slog.Logger) {
	_ = b.root.Close() // nothing was written through it that counts
	err := os.RemoveAll(b.dir)
	if err != nil {
		_ = filepath.WalkDir(b.dir, func(p string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				return os.Chmod(p, 0o700) //nolint:gosec // a folder of our own
			}
			return nil
		})
		err = os.RemoveAll(b.dir)
	}
	if err != nil {
		log.Warn("the command's folder is left behind", "dir", b.dir, "error", err)
	}
}
