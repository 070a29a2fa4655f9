package source

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"cohort/dataplane"
)

// An extractor takes the mapped columns out of JSON objects. A column names a
// key; a dot leads into an object, unless a key has the dot itself: the fewest
// objects deep counts, and of a key given twice the last. Numbers keep their
// text, null is empty. It may be used by many goroutines.
type extractor struct {
	names [NumFields]string
	top   paths
}

// paths say how much of each column's name the keys on the way have used up; −1
// is a column that is not looked for.
type paths [NumFields]int

func newExtractor(names [NumFields]string) *extractor {
	x := &extractor{names: names}
	for f, name := range names {
		if name == "" {
			x.top[f] = -1
		}
	}
	return x
}

// optional fields may be absent.
func optional(f Field) bool { return f == FieldItem || f == FieldID || f == FieldElapsed }

// values takes an object apart. The texts share value's memory.
func (x *extractor) values(value string, v *Values) *Fault {
	*v = Values{}
	if len(value) > dataplane.MaxLine {
		return &Fault{Text: fmt.Sprintf("the value has %d bytes, more than %d", len(value), dataplane.MaxLine)}
	}
	if !utf8.ValidString(value) {
		return &Fault{Text: "the value is not UTF-8"}
	}
	p := parser{s: value, x: x, out: v}
	p.space()
	if p.at == len(value) || value[p.at] != '{' {
		if p.skip(0); p.end() {
			return &Fault{Text: "the value is not a JSON object"}
		}
		return p.fault()
	}
	if p.object(1, &x.top); !p.end() {
		return p.fault()
	}
	return p.judge()
}

// judge finds what is missing of an object that is one.
func (p *parser) judge() *Fault {
	for f, name := range p.x.names {
		switch {
		case name == "":
		case p.group[f]:
			return &Fault{Column: name, Text: "holds an object or a list, not one value"}
		case p.depth[f] == 0 && !optional(Field(f)):
			text := fmt.Sprintf("no field %q", name)
			if near := nearest(name, keys(p.s)); near != "" {
				text += fmt.Sprintf("; did you mean %q?", near)
			}
			return &Fault{Column: name, Text: text}
		}
	}
	return nil
}

// keys are an object's keys and, after a dot, those of the objects in it, as far
// as a person may have meant one of them.
func keys(value string) []string {
	var all []string
	var walk func(prefix, value string)
	walk = func(prefix, value string) {
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(value), &object) != nil {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			const most, longest = 100, 100
			if key = prefix + key; len(all) == most || len(key) > longest {
				continue
			}
			all = append(all, key)
			walk(key+".", string(object[key[len(prefix):]]))
		}
	}
	walk("", value)
	return all
}

// extend goes into the object of a key; found says that a column ends in it.
func (x *extractor) extend(at *paths, key string) (into paths, deeper bool, found [NumFields]bool) {
	for f, used := range at {
		into[f] = -1
		if used < 0 {
			continue
		}
		rest, ok := strings.CutPrefix(x.names[f][used:], key)
		switch {
		case !ok:
		case rest == "":
			found[f] = true
		case rest[0] == '.':
			into[f], deeper = used+len(key)+1, true
		}
	}
	return into, deeper, found
}
