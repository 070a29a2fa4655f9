package source_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"cohort/dataplane/source"
)

func TestJSONKeysBecomeValues(t *testing.T) {
	t.Parallel()
	names := [source.NumFields]string{"user.id", "item", "skill", "a.b.c", "at", "", "ms"}
	for name, c := range map[string]struct {
		value string
		want  source.Values
	}{
		"types": {
			` { "user" : { "id" : 9007199254740993 , "x":[1,{"id":2},[]] } , "item":"i", "skill":"k", "a":{"b":{"c":true}}, "at":1e3, "ms":null } `,
			source.Values{"9007199254740993", "i", "k", "true", "1e3", "", ""},
		},
		"absent":  {`{"user":{"id":"u"},"skill":"","a.b.c":0,"at":-1.50}`, source.Values{"u", "", "", "0", "-1.50", "", ""}},
		"escapes": {`{"us\u0065r":{"id":"\"\u00e9\ud83d\ude00\n\/"},"skill":"k","a":{"b.c":"x"},"at":1}`, source.Values{"\"é😀\n/", "", "k", "x", "1", "", ""}},
		"dots-first": {
			`{"user.id":1,"user":{"id":2},"skill":"k","a":{"b":{"c":3},"b.c":4},"at":1}`,
			source.Values{"1", "", "k", "4", "1", "", ""},
		},
		"dots-last": {
			`{"user":{"id":2},"user.id":null,"skill":"k","a":{"b.c":4,"b":{"c":3}},"at":1}`,
			source.Values{"", "", "k", "4", "1", "", ""},
		},
		"two-first-keys": {`{"user":{"id":2},"skill":"k","a.b":{"c":5},"at":1}`, source.Values{"2", "", "k", "5", "1", "", ""}},
		"twice":          {`{"user":{"id":2},"skill":"k","skill":"l","a.b.c":1,"at":[],"at":1}`, source.Values{"2", "", "l", "1", "1", "", ""}},
		"no-object":      {`{"user":5,"user.id":6,"skill":"k","a":[{"b":1}],"a.b":2,"a.b.c":3,"at":1}`, source.Values{"6", "", "k", "3", "1", "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			got, fault := source.Extract(names, c.value)
			if d := cmp.Diff(c.want, got); d != "" || fault != nil {
				t.Errorf("%v: %s", fault, d)
			}
		})
	}
}

func TestJSONFaultsAreNamed(t *testing.T) {
	t.Parallel()
	names := [source.NumFields]string{source.FieldStudent: "user.id", source.FieldSkill: "skill"}
	deep := strings.Repeat("[", 300)
	for value, want := range map[string]source.Fault{
		"":                                   {Text: "the value is not JSON: no value at byte 0"},
		"  ":                                 {Text: "the value is not JSON: no value at byte 2"},
		"nul":                                {Text: "the value is not JSON: no value at byte 0"},
		`"x"`:                                {Text: "the value is not a JSON object"},
		"-0.5e+7":                            {Text: "the value is not a JSON object"},
		"[] 1":                               {Text: "the value is not JSON: more text after the end at byte 3"},
		"{} {}":                              {Text: "the value is not JSON: more text after the end at byte 3"},
		"{,}":                                {Text: "the value is not JSON: no key at byte 1"},
		`{"a":1,}`:                           {Text: "the value is not JSON: no key at byte 7"},
		`{"a" 1}`:                            {Text: "the value is not JSON: no colon at byte 5"},
		`{"a":1 "b":2}`:                      {Text: "the value is not JSON: neither comma nor brace at byte 7"},
		`{"a":[1 2]}`:                        {Text: "the value is not JSON: neither comma nor bracket at byte 8"},
		`{"a":01}`:                           {Text: "the value is not JSON: neither comma nor brace at byte 6"},
		`{"a":1.}`:                           {Text: "the value is not JSON: no digit at byte 7"},
		`{"a":1e}`:                           {Text: "the value is not JSON: no digit at byte 7"},
		`{"a":+1}`:                           {Text: "the value is not JSON: no value at byte 5"},
		`{"a":"\x"}`:                         {Text: "the value is not JSON: no such escape at byte 7"},
		`{"a":"\u12g4"}`:                     {Text: "the value is not JSON: no such escape at byte 10"},
		"{\"a\":\"\t\"}":                     {Text: "the value is not JSON: a control character at byte 6"},
		`{"a":"`:                             {Text: "the value is not JSON: no end of a string at byte 6"},
		`{"user":{"id":1},"skill":"k"`:       {Text: "the value is not JSON: neither comma nor brace at byte 28"},
		deep + strings.Repeat("]", 300):      {Text: "the value is not JSON: too many values in each other at byte 257"},
		"{\"user\":{\"id\":\"\xc3\"}}":       {Text: "the value is not UTF-8"},
		`{"user":{"id":{}},"skill":"k"}`:     {Column: "user.id", Text: "holds an object or a list, not one value"},
		`{"user":{"id":1},"skill":[]}`:       {Column: "skill", Text: "holds an object or a list, not one value"},
		`{"skill":"k"}`:                      {Column: "user.id", Text: `no field "user.id"`},
		`{"user":7,"skill":"k"}`:             {Column: "user.id", Text: `no field "user.id"; did you mean "user"?`},
		`{"usr":{"a":1,"id":1},"skill":"k"}`: {Column: "user.id", Text: `no field "user.id"; did you mean "usr.id"?`},
		`{"user":{"id":1,"skil":1},"Skill":2,"ski":3}`: {Column: "skill", Text: `no field "skill"; did you mean "Skill"?`},
	} {
		_, fault := source.Extract(names, value)
		if d := cmp.Diff(&want, fault); d != "" {
			t.Errorf("%.40q: %s", value, d)
		}
	}
}

// FuzzJSONFields holds the extractor against encoding/json.
func FuzzJSONFields(f *testing.F) {
	f.Add([]byte(attempt(3)))
	f.Add([]byte(`{"user.id":"\u00e9","user":{"id":1},"skill":[{"a":-0.1e+5}],"right":null,"at":"x"}`))
	f.Add([]byte(`{"user":{"id":""},"skill":"\ud800","right":false,"at":{"item":[]}} `))
	f.Add([]byte("[{}, \"\\n\x01\", tru]"))
	names := source.NewMapper(kafkaColumns(), source.NewMasker(nil), source.Bounds{}).Names()
	f.Fuzz(func(t *testing.T, value []byte) {
		got, fault := source.Extract(names, string(value))
		if fault != nil && strings.Contains(fault.Text, "too many") {
			return
		}
		want, ok := reference(t, names, value)
		if notJSON := fault != nil && fault.Column == ""; notJSON == ok {
			t.Fatalf("fault %v, but an object: %v", fault, ok)
		}
		if d := cmp.Diff(want, got); ok && !repeats(value) && d != "" {
			t.Error(d)
		}
	})
}

// reference takes columns of at most two keys out of an object.
func reference(t *testing.T, names [source.NumFields]string, value []byte) (v source.Values, ok bool) {
	var top map[string]json.RawMessage
	if !utf8.Valid(value) || !json.Valid(value) || json.Unmarshal(value, &top) != nil || top == nil {
		return v, false
	}
	for f, name := range names {
		raw, ok := top[name]
		if outer, inner, dotted := strings.Cut(name, "."); !ok && dotted {
			var object map[string]json.RawMessage
			_ = json.Unmarshal(top[outer], &object) // no object has no keys
			raw, ok = object[inner]
		}
		switch {
		case !ok || string(raw) == "null" || raw[0] == '{' || raw[0] == '[':
		case raw[0] == '"':
			if err := json.Unmarshal(raw, &v[f]); err != nil {
				t.Fatal(err)
			}
		default:
			v[f] = string(raw)
		}
	}
	return v, true
}

// repeats reports whether an object of a valid JSON text has a key twice.
func repeats(value []byte) bool {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	type level struct {
		keys map[string]bool // nil: a list
		key  bool            // a key comes next
	}
	stack := []level{{}}
	for {
		token, err := d.Token()
		if err == io.EOF {
			return false
		}
		top := &stack[len(stack)-1]
		if key, ok := token.(string); ok && top.key {
			if top.keys[key] {
				return true
			}
			top.keys[key], top.key = true, false
			continue
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{map[string]bool{}, true})
			continue
		case json.Delim('['):
			stack = append(stack, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			top = &stack[len(stack)-1]
		}
		top.key = top.keys != nil
	}
}

func BenchmarkJSONFields(b *testing.B) {
	names := source.NewMapper(kafkaColumns(), source.NewMasker(nil), source.Bounds{}).Names()
	value := attempt(12345)
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if _, fault := source.Extract(names, value); fault != nil {
			b.Fatal(fault)
		}
	}
}
