package source

import (
	"path"
	"slices"
	"strings"
)

// A pattern chooses objects by name, segment by segment as path.Match does; the
// segment ** stands for any number of segments. An empty one takes every file of
// a known format. Names of which a segment begins with _ or . are never taken:
// writers keep marks and half-written files there.
type pattern struct{ segments []string }

func parsePattern(s string) (*pattern, error) {
	if s == "" {
		return &pattern{}, nil
	}
	p := &pattern{strings.Split(s, "/")}
	for _, segment := range p.segments {
		if _, err := path.Match(segment, ""); err != nil || segment == "" {
			return nil, &InputError{File: "source.lake.pattern", Text: "\"" + s + "\" is no pattern of names such as day=*/*.parquet"}
		}
	}
	return p, nil
}

func (p *pattern) String() string {
	if p.segments == nil {
		return "*.parquet, *.csv or *.csv.gz"
	}
	return strings.Join(p.segments, "/")
}

// prefix is what all names that match begin with.
func (p *pattern) prefix() string {
	for k, segment := range p.segments {
		if at := strings.IndexAny(segment, `*?[\`); at >= 0 {
			return strings.Join(append(p.segments[:k:k], segment[:at]), "/")
		}
	}
	return strings.Join(p.segments, "/")
}

func (p *pattern) match(name string) bool {
	segments := strings.Split(name, "/")
	if slices.ContainsFunc(segments, hidden) {
		return false
	}
	if p.segments == nil {
		return object{Name: name}.kind() != ""
	}
	return matchSegments(p.segments, segments)
}

func matchSegments(pattern, name []string) bool {
	for k, p := range pattern {
		if p == "**" {
			for skip := k; skip <= len(name); skip++ {
				if matchSegments(pattern[k+1:], name[skip:]) {
					return true
				}
			}
			return false
		}
		if k >= len(name) {
			return false
		}
		if ok, err := path.Match(p, name[k]); !ok || err != nil {
			return false
		}
	}
	return len(pattern) == len(name)
}

func hidden(segment string) bool { return segment == "" || segment[0] == '_' || segment[0] == '.' }
