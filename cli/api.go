package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

// client connects to the cluster that --addr names.
func (p *program) client(c *cli.Context) (*client.Client, error) {
	addrs, err := addresses(c.String("addr"))
	if err != nil {
		return nil, err
	}
	token, err := p.token(c)
	if err != nil {
		return nil, err
	}
	return p.connectAs(token, addrs...), nil
}

// connect makes a client that Main closes.
func (p *program) connect(addrs ...string) *client.Client { return p.connectAs("", addrs...) }

// connectAs makes one that sends an admin token.
func (p *program) connectAs(token string, addrs ...string) *client.Client {
	c := client.New(addrs, client.Options{Actor: p.actor(), Token: token})
	p.clients = append(p.clients, c)
	return c
}

// actor is who asks, for the record of each write.
func (p *program) actor() string {
	if name := p.env["USER"]; name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// A store is what files are uploaded to; nil: they are only named by hash.
type store interface {
	Has(ctx context.Context, hash string) (bool, error)
	Put(ctx context.Context, r io.Reader) (hash string, size int64, err error)
}

// upload stores a client file under its hash, unless the cluster has it.
func (p *program) upload(ctx context.Context, to store, path string) (hash string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, stoppable{ctx, f}); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	hash = hex.EncodeToString(sum.Sum(nil))
	if to == nil {
		return hash, nil
	}
	if has, err := to.Has(ctx, hash); err != nil || has {
		return hash, err
	}
	p.talk("uploading %s (%s)", filepath.Base(path), sized(info.Size()))
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	got, _, err := to.Put(ctx, f)
	if err == nil && got != hash {
		err = errors.New("the file changed while it was read")
	}
	if err != nil {
		return "", fmt.Errorf("upload %s: %w", path, err)
	}
	return hash, nil
}

// stoppable ends reading when its context does.
type stoppable struct {
	ctx context.Context //nolint:containedctx // a reader has no other way to be told
	r   io.Reader
}

func (s stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b)
}

// resolve uploads the files that spec names and puts their hashes in their
// place. A path is looked for beside the job file, then in the working folder.
func (p *program) resolve(ctx context.Context, to store, spec *wire.Spec, dir string) error {
	for _, f := range clientFiles(spec) {
		path, err := locate(dir, *f.path, f.key)
		if err != nil {
			return err
		}
		hash, err := p.upload(ctx, to, path)
		if err != nil {
			return err
		}
		*f.name, *f.path = filepath.Base(path), "sha256:"+hash
	}
	return nil
}

// A clientFile is a field of a job file that names a file of the client's.
type clientFile struct {
	key        string
	path, name *string
}

func clientFiles(spec *wire.Spec) []clientFile {
	files := execFiles(spec)
	if spec.Kind == "graph" {
		return files
	}
	if spec.Data.Events != "" && !wire.Stored(spec.Data.Events) {
		files = append(files, clientFile{"data.events", &spec.Data.Events, &spec.Data.EventsName})
	}
	if spec.Split.File != "" && !wire.Stored(spec.Split.File) {
		files = append(files, clientFile{"split.file", &spec.Split.File, &spec.Split.FileName})
	}
	return files
}

func locate(dir, path, key string) (string, error) {
	tries := []string{path}
	if !filepath.IsAbs(path) && dir != "" {
		tries = []string{filepath.Join(dir, path), path}
	}
	var first error
	for _, t := range tries {
		_, err := os.Stat(t)
		if err == nil {
			return t, nil
		}
		if first == nil {
			first = err
		}
	}
	return "", fmt.Errorf("%s: %w", key, first)
}
