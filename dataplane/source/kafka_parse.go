package source

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxDepth bounds how deep values lie in each other.
const maxDepth = 256

// parser reads one JSON text (RFC 8259) in one pass and checks all of it. It
// stops at the first fault.
type parser struct {
	s     string
	at    int
	wrong string // what is wrong at at; "" is nothing

	x     *extractor
	out   *Values
	depth [NumFields]int  // of what out holds; 0 is nothing
	group [NumFields]bool // what was found is an object or a list
}

func (p *parser) fault() *Fault {
	return &Fault{Text: fmt.Sprintf("the value is not JSON: %s at byte %d", p.wrong, p.at)}
}

func (p *parser) fail(what string) bool {
	p.wrong = what
	return false
}

// end reports whether the text is whole and nothing follows it.
func (p *parser) end() bool {
	if p.wrong != "" {
		return false
	}
	if p.space(); p.at < len(p.s) {
		return p.fail("more text after the end")
	}
	return true
}

func (p *parser) space() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\n' || p.s[p.at] == '\t' || p.s[p.at] == '\r') {
		p.at++
	}
}

// take steps over c if it is next, and over the space before it.
func (p *parser) take(c byte) bool {
	if p.space(); p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

// object reads an object and puts into out what of it is looked for. nil looks
// for nothing.
func (p *parser) object(depth int, look *paths) bool {
	p.at++ // {
	if depth > maxDepth {
		return p.fail("too many values in each other")
	}
	if p.take('}') {
		return true
	}
	for {
		if p.space(); p.at == len(p.s) || p.s[p.at] != '"' {
			return p.fail("no key")
		}
		key, ok := p.text()
		if !ok {
			return false
		}
		if !p.take(':') {
			return p.fail("no colon")
		}
		if !p.member(depth, look, key) {
			return false
		}
		if p.take('}') {
			return true
		}
		if !p.take(',') {
			return p.fail("neither comma nor brace")
		}
	}
}

// member reads the value of a key.
func (p *parser) member(depth int, look *paths, key string) bool {
	if look == nil {
		return p.skip(depth)
	}
	into, deeper, found := p.x.extend(look, key)
	p.space()
	text, group, ok := p.value(depth, deeper, &into)
	if !ok {
		return false
	}
	for f := range found {
		if found[f] && (p.depth[f] == 0 || depth <= p.depth[f]) {
			p.out[f], p.depth[f], p.group[f] = text, depth, group
		}
	}
	return true
}

// value reads any value; text is a single one's, group says that it is none.
func (p *parser) value(depth int, deeper bool, into *paths) (text string, group, ok bool) {
	if p.at == len(p.s) {
		return "", false, p.fail("no value")
	}
	start := p.at
	switch p.s[p.at] {
	case '{':
		if !deeper {
			into = nil
		}
		return "", true, p.object(depth+1, into)
	case '[':
		return "", true, p.skip(depth)
	case '"':
		text, ok = p.text()
		return text, false, ok
	case 'n':
		return "", false, p.word("null")
	}
	ok = p.skip(depth)
	return p.s[start:p.at], false, ok
}

// skip reads any value and keeps nothing of it.
func (p *parser) skip(depth int) bool {
	if p.space(); p.at == len(p.s) {
		return p.fail("no value")
	}
	switch c := p.s[p.at]; c {
	case '{':
		return p.object(depth+1, nil)
	case '[':
		return p.list(depth + 1)
	case '"':
		_, ok := p.quoted()
		return ok
	case 't':
		return p.word("true")
	case 'f':
		return p.word("false")
	case 'n':
		return p.word("null")
	}
	return p.number()
}

func (p *parser) list(depth int) bool {
	p.at++ // [
	if depth > maxDepth {
		return p.fail("too many values in each other")
	}
	if p.take(']') {
		return true
	}
	for {
		if !p.skip(depth) {
			return false
		}
		if p.take(']') {
			return true
		}
		if !p.take(',') {
			return p.fail("neither comma nor bracket")
		}
	}
}

func (p *parser) word(word string) bool {
	if !strings.HasPrefix(p.s[p.at:], word) {
		return p.fail("no value")
	}
	p.at += len(word)
	return true
}

func (p *parser) number() bool {
	if p.at < len(p.s) && p.s[p.at] == '-' {
		p.at++
	}
	if zero := p.at < len(p.s) && p.s[p.at] == '0'; zero {
		p.at++
	} else if !p.digits() {
		return p.fail("no value")
	}
	if p.at < len(p.s) && p.s[p.at] == '.' {
		if p.at++; !p.digits() {
			return p.fail("no digit")
		}
	}
	if p.at < len(p.s) && (p.s[p.at] == 'e' || p.s[p.at] == 'E') {
		if p.at++; p.at < len(p.s) && (p.s[p.at] == '+' || p.s[p.at] == '-') {
			p.at++
		}
		if !p.digits() {
			return p.fail("no digit")
		}
	}
	return true
}

// digits steps over one digit or more.
func (p *parser) digits() bool {
	start := p.at
	for p.at < len(p.s) && '0' <= p.s[p.at] && p.s[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

// text is the string that begins here.
func (p *parser) text() (string, bool) {
	start := p.at
	escaped, ok := p.quoted()
	if !ok {
		return "", false
	}
	if !escaped {
		return p.s[start+1 : p.at-1], true
	}
	var text string
	if err := json.Unmarshal([]byte(p.s[start:p.at]), &text); err != nil {
		p.at = start
		return "", p.fail("no string")
	}
	return text, true
}

// quoted steps over a string; escaped says that it is not to be taken as it stands.
func (p *parser) quoted() (escaped, ok bool) {
	for p.at++; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == '"':
			p.at++
			return escaped, true
		case c < ' ':
			return escaped, p.fail("a control character")
		case c == '\\':
			if escaped = true; !p.escape() {
				return escaped, p.fail("no such escape")
			}
		}
	}
	return escaped, p.fail("no end of a string")
}

// escape steps onto the last character of an escape.
func (p *parser) escape() bool {
	if p.at++; p.at == len(p.s) {
		return false
	}
	if p.s[p.at] != 'u' {
		return strings.IndexByte(`"\/bfnrt`, p.s[p.at]) >= 0
	}
	for range 4 {
		if p.at++; p.at == len(p.s) || strings.IndexByte("0123456789abcdefABCDEF", p.s[p.at]) < 0 {
			return false
		}
	}
	return true
}
