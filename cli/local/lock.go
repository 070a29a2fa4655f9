package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Errors of a data folder.
var (
	// ErrLocked says that another process uses the folder.
	ErrLocked = errors.New("data folder is in use")
	// ErrFolder says that the folder cannot be made or written to.
	ErrFolder = errors.New("data folder cannot be used")
)

// Lock makes a node's data folder if need be and takes it for this process,
// until the lock is closed or the process ends, however it ends.
func Lock(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, unusable(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, unusable(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 20))
		f.Close() //nolint:errcheck // never held
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by process %s; end it or choose another folder", ErrLocked, dir, orUnknown(string(holder)))
		}
		return nil, unusable(err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0)
	}
	if err != nil {
		f.Close() //nolint:errcheck // the first error counts
		return nil, unusable(err)
	}
	return f, nil
}

// unusable keeps err's words and not its class: a folder that could not be
// made is no missing file.
func unusable(err error) error { return fmt.Errorf("%w: %s", ErrFolder, err.Error()) }

func orUnknown(pid string) string {
	if pid = strings.TrimSpace(pid); pid == "" {
		return "(unknown)"
	}
	return pid
}
