package source

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"cohort/coordinator/wire"
)

// objects is a Source of Parquet and CSV files below a folder or a bucket's prefix.
type objects struct {
	store   store
	pattern *pattern
}

// A store is where objects lie. Its errors are *InputError or outages, one line.
type store interface {
	// list visits the objects whose names, below the store's root, begin with prefix.
	list(ctx context.Context, prefix string, visit func(object) error) error
	// open gives the object exactly as o says it is, or an *InputError that it is not.
	open(ctx context.Context, o object) (content, error)
	// String names the root for a person, without anything that could be secret.
	String() string
	Close() error
}

// content is an object at the version that was opened. It is for one goroutine.
type content interface {
	io.ReaderAt
	// stream reads it from its beginning.
	stream() (io.ReadCloser, error)
	// check tells whether all that was read was of the version that was opened.
	check() error
	Close() error
}

// OpenLake opens a folder, or a bucket with the credentials of the worker's
// environment. Nothing but the location is checked yet.
func OpenLake(ctx context.Context, s wire.LakeSpec) (Source, error) {
	p, err := parsePattern(s.Pattern)
	if err != nil {
		return nil, err
	}
	st, err := openStore(ctx, s.URL)
	if err != nil {
		return nil, err
	}
	return &objects{st, p}, nil
}

// openStore opens what a URL, or a path, names.
func openStore(ctx context.Context, location string) (store, error) {
	scheme, _, ok := strings.Cut(location, "://")
	if !ok {
		return openFolder(location)
	}
	u, err := url.Parse(location)
	if err != nil {
		return nil, &InputError{File: scheme + "://…", Text: "the lake's URL cannot be read"} // the parser's text repeats the URL
	}
	if u.User != nil {
		return nil, &InputError{File: bare(u), Text: "a lake's URL names no login; the worker's environment does"}
	}
	switch scheme {
	case "file":
		if u.Host != "" && u.Host != "localhost" {
			return nil, &InputError{File: location, Text: "a file URL has three slashes before its path"}
		}
		return openFolder(u.Path)
	case "s3":
		return openS3(ctx, u)
	case "gs":
		return openGCS(ctx, u)
	}
	return nil, &InputError{File: bare(u), Text: fmt.Sprintf("a lake is a folder, file://, s3:// or gs://, not %s://", scheme)}
}

// bare is a URL without what could be secret, or long.
func bare(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

var _ Source = (*objects)(nil)

// Plan lists what is there, and holds it against the plan before.
func (l *objects) Plan(ctx context.Context, last json.RawMessage) (json.RawMessage, bool, error) {
	before, err := parseLakePlan(last)
	if err != nil {
		return nil, false, err
	}
	known, missing := before.known(), before.known()
	next := lakePlan{Version: lakePlanVersion, Earlier: known}
	err = l.store.list(ctx, l.pattern.prefix(), func(o object) error {
		if !l.pattern.match(o.Name) {
			return nil
		}
		digest, old := known.get(o.Name)
		switch {
		case !old:
			next.New = append(next.New, o)
			return o.valid()
		case digest != o.digest():
			return &InputError{File: o.Name, Text: "was extracted before and has changed since; extract it in full again"}
		}
		missing.remove(o.Name)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	if name, ok := missing.first(); ok {
		return nil, false, &InputError{File: name, Text: "was extracted before and is gone; extract it in full again"}
	}
	return l.conclude(next, last)
}

// conclude words a plan.
func (l *objects) conclude(next lakePlan, last json.RawMessage) (json.RawMessage, bool, error) {
	if len(next.New) > 0 {
		plan, err := next.encode()
		return plan, true, err
	}
	if last == nil {
		return nil, false, &InputError{File: l.store.String(), Text: "holds no file that matches " + l.pattern.String()}
	}
	return last, false, nil
}

// Close lets go of connections.
func (l *objects) Close() error { return l.store.Close() }
