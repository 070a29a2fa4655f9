package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A decoder reads YAML strictly. It keeps the line of every key it has seen,
// so that later checks can name it, and collects faults instead of stopping.
// A negative line k means the value came from set[-k-1].
type decoder struct {
	file   string
	set    []string
	lines  map[string]int  // path of a key → its line
	bad    map[string]bool // paths whose value could not be read: checks of it are moot
	faults []Fault
}

func newDecoder(file string, set []string) *decoder {
	return &decoder{file: file, set: set, lines: map[string]int{}, bad: map[string]bool{}}
}

func (d *decoder) fault(line int, format string, args ...any) {
	f := Fault{Where: d.file, Line: line, Text: fmt.Sprintf(format, args...)}
	if line < 0 {
		f.Where, f.Line, f.Set = "--set "+d.set[-line-1], 0, true
	}
	d.faults = append(d.faults, f)
}

// at records a fault of the key at path, on its own line or that of the
// nearest section around it.
func (d *decoder) at(path, format string, args ...any) {
	if d.bad[path] {
		return
	}
	line := 0
	for p := path; line == 0 && p != ""; {
		line = d.lines[p]
		p = p[:max(0, strings.LastIndexByte(p, '.'))]
	}
	d.fault(line, "%s "+format, append([]any{path}, args...)...)
}

func (d *decoder) has(path string) bool { _, ok := d.lines[path]; return ok }

// document is the top mapping of a YAML text, or nil after a fault.
func (d *decoder) document(text []byte) *yaml.Node {
	if len(text) > MaxSpecBytes {
		d.fault(0, "is %d bytes; at most %d are read", len(text), MaxSpecBytes)
		return nil
	}
	var doc yaml.Node
	r := yaml.NewDecoder(bytes.NewReader(text))
	switch err := r.Decode(&doc); {
	case errors.Is(err, io.EOF):
		d.fault(0, "is empty")
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	var more yaml.Node
	if err := r.Decode(&more); err == nil {
		d.fault(more.Line, "a second document begins here; a file holds one")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		d.fault(doc.Line, "want keys and values, such as \"name: my-job\"")
		return nil
	}
	return doc.Content[0]
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (d *decoder) syntax(err error) {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	m := yamlLine.FindStringSubmatch(text)
	line := 0
	if m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	d.fault(line, "not YAML: %s", text)
}

func (d *decoder) decode(root *yaml.Node, into any) {
	d.value(root, reflect.ValueOf(into).Elem(), "")
}

// value reads n into v; path names it in faults.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!null" {
		return // "key:" with nothing: as if absent
	}
	switch v.Kind() {
	case reflect.Map:
		d.table(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Interface:
		d.any(n, v, path)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[TuneDomain]() && n.Kind == yaml.SequenceNode {
			d.list(n, v.FieldByName("Values"), path+".values")
			return
		}
		if v.Type() == reflect.TypeFor[Correct]() && n.Kind == yaml.ScalarNode {
			v.Set(reflect.ValueOf(Correct{Column: n.Value}))
			return
		}
		if v.Type() == reflect.TypeFor[ScheduleSpec]() && n.Kind == yaml.ScalarNode {
			v.Set(reflect.ValueOf(ScheduleSpec{Cron: n.Value}))
			return
		}
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Int:
		if v.Type() == reflect.TypeFor[Embed]() && n.Value == direct {
			v.SetInt(int64(Direct))
			return
		}
		d.scalar(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n.Line, "%s: want keys and values, got %s", path, described(n))
		d.bad[path] = true
		return
	}
	seen := map[string]int{}
	for k := 0; k+1 < len(n.Content); k += 2 {
		key, child := n.Content[k], n.Content[k+1]
		full := strings.TrimPrefix(path+"."+key.Value, ".")
		if first := seen[key.Value]; first != 0 {
			d.fault(key.Line, "%s is given twice, first on line %d", full, first)
			continue
		}
		seen[key.Value] = key.Line
		f, ok := fieldOf(v, key.Value)
		if !ok {
			d.unknown(key, v.Type(), path)
			continue
		}
		d.lines[full] = key.Line
		d.value(child, f, full)
	}
}

func (d *decoder) unknown(key *yaml.Node, t reflect.Type, path string) {
	section := "in " + path
	if path == "" {
		section = "at the top level"
	}
	known := keysOf(t)
	hint := "known: " + strings.Join(known, ", ")
	if near := Nearest(key.Value, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if home := homeOf(reflect.TypeFor[Spec](), key.Value); path == "" && home != "" && t == reflect.TypeFor[Spec]() {
		hint = fmt.Sprintf("it belongs in %s", home)
	}
	d.fault(key.Line, "unknown key %q %s; %s", key.Value, section, hint)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n.Line, "%s: want a list such as [a, b], got %s", path, described(n))
		d.bad[path] = true
		return
	}
	v.SetZero() // an empty list reads as an absent one
	if len(n.Content) > 0 {
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	}
	for k, child := range n.Content {
		full := fmt.Sprintf("%s[%d]", path, k)
		d.lines[full] = child.Line
		d.value(child, v.Index(k), full)
	}
}

// scalar sets v, or leaves it as it is and records the fault.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	want := "text"
	switch v.Kind() {
	case reflect.String:
		if n.Kind == yaml.ScalarNode {
			v.SetString(n.Value)
			return
		}
	case reflect.Bool:
		var b bool
		if want = "true or false"; n.Tag == "!!bool" && n.Decode(&b) == nil {
			v.SetBool(b)
			return
		}
	case reflect.Float64:
		var x float64
		number := (n.Tag == "!!int" || n.Tag == "!!float") && n.Decode(&x) == nil
		if want = "a number"; number && !math.IsNaN(x) && !math.IsInf(x, 0) {
			v.SetFloat(x)
			return
		}
	default:
		if want = whole(n, v); want == "" {
			return
		}
	}
	d.fault(n.Line, "%s: want %s, got %s", path, want, described(n))
	d.bad[path] = true
}

// whole reads a whole number and answers what it wanted when it can't.
func whole(n *yaml.Node, v reflect.Value) string {
	var x int64
	bad := n.Tag != "!!int" || n.Decode(&x) != nil
	if v.CanUint() {
		if bad || x < 0 || v.OverflowUint(uint64(x)) {
			return fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<v.Type().Bits()-1)
		}
		v.SetUint(uint64(x))
		return ""
	}
	if bad || v.OverflowInt(x) {
		if v.Type() == reflect.TypeFor[Embed]() {
			return "a whole number or " + direct
		}
		return "a whole number"
	}
	v.SetInt(x)
	return ""
}

func described(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	default:
		if len(n.Value) > 40 {
			return strconv.Quote(n.Value[:40]) + "…"
		}
		return strconv.Quote(n.Value)
	}
}

// fieldOf is the field of struct v whose yaml key is key.
func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	k := slices.Index(keysOf(v.Type()), key)
	if k < 0 {
		return reflect.Value{}, false
	}
	return v.Field(k), true
}

// keysOf are a struct's yaml keys in the order of its fields.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for k := range keys {
		keys[k], _, _ = strings.Cut(t.Field(k).Tag.Get("yaml"), ",")
	}
	return keys
}

// homeOf is the section of t that knows key.
func homeOf(t reflect.Type, key string) string {
	for k, section := range keysOf(t) {
		if f := t.Field(k).Type; f.Kind() == reflect.Struct && slices.Contains(keysOf(f), key) {
			return section
		}
	}
	return ""
}

// field is the value at path below mapping n, or nil.
func field(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		found := (*yaml.Node)(nil)
		for k := 0; n.Kind == yaml.MappingNode && k+1 < len(n.Content); k += 2 {
			if n.Content[k].Value == key {
				found = n.Content[k+1]
			}
		}
		if found == nil {
			return nil
		}
		n = found
	}
	return n
}
