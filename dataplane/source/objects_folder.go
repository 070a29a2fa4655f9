package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// folder is a store on the worker's file system. It does not go through
// gocloud.dev/blob/fileblob, which passes over what it may not read, and takes
// the size of a symbolic link for the file's.
type folder struct{ dir string }

func openFolder(dir string) (store, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, folderError(dir, err)
	}
	if !info.IsDir() {
		return nil, &InputError{File: dir, Text: "is no folder"}
	}
	return &folder{dir}, nil
}

// folderError tells what no retry helps from what one may.
func folderError(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &InputError{File: name, Text: "no such file or folder"}
	case errors.Is(err, fs.ErrPermission):
		return &InputError{File: name, Text: "this worker may not read it"}
	}
	return fmt.Errorf("read %s: %w", name, err)
}

func (f *folder) String() string { return f.dir }

func (f *folder) Close() error { return nil }

func (f *folder) list(ctx context.Context, prefix string, visit func(object) error) error {
	return f.walk(ctx, "", prefix, visit)
}

// walk visits the files below a folder, which is named relative to the root and
// with a slash behind; links are followed.
func (f *folder) walk(ctx context.Context, below, prefix string, visit func(object) error) error {
	entries, err := os.ReadDir(filepath.Join(f.dir, filepath.FromSlash(below)))
	if err != nil {
		return folderError(f.String()+"/"+below, err)
	}
	for _, entry := range entries {
		name := below + entry.Name()
		if err := ctx.Err(); err != nil {
			return err
		}
		if hidden(entry.Name()) || !strings.HasPrefix(name, prefix) && !strings.HasPrefix(prefix, name+"/") {
			continue
		}
		info, err := os.Stat(f.path(name))
		if err != nil {
			return folderError(name, err)
		}
		switch {
		case info.IsDir():
			err = f.walk(ctx, name+"/", prefix, visit)
		case info.Mode().IsRegular():
			err = visit(object{name, info.Size(), modified(info)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// modified is the version of a file.
func modified(info fs.FileInfo) string { return strconv.FormatInt(info.ModTime().UnixNano(), 10) }

func (f *folder) open(_ context.Context, o object) (content, error) {
	r, err := os.Open(f.path(o.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, vanished(o)
	}
	if err != nil {
		return nil, folderError(o.Name, err)
	}
	c := &local{r, o}
	if err := c.check(); err != nil {
		_ = r.Close() // read only
		return nil, err
	}
	return c, nil
}

// local is a file of a folder. The handle goes on reading the bytes that it was
// opened on when another file takes the name.
type local struct {
	*os.File
	planned object
}

func (f *local) check() error {
	info, err := f.Stat()
	if err != nil {
		return folderError(f.planned.Name, err)
	}
	if info.Size() != f.planned.Size || modified(info) != f.planned.Version {
		return changed(f.planned)
	}
	return nil
}

func (f *local) stream() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(f.File, 0, f.planned.Size)), nil
}

func changed(o object) error {
	return &InputError{File: o.Name, Text: "has changed since this extraction was planned"}
}

func vanished(o object) error {
	return &InputError{File: o.Name, Text: "is gone since this extraction was planned"}
}
