package stage

import (
	"regexp"
	"slices"
	"strings"

	"cohort/dataplane/source"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variables resolves the declared part of a command's environment. The values
// of references are secrets.
func variables(declared []string) (vars []string, secrets [][]byte, err error) {
	for _, v := range declared {
		name, value, ok := strings.Cut(v, "=")
		switch {
		case !ok || !variableName.MatchString(name):
			return nil, nil, inputf("exec.env: want NAME=VALUE, NAME of letters, digits and underscores")
		case kept(name):
			return nil, nil, inputf("exec.env: %s is the worker's to set", name)
		}
		if strings.HasPrefix(value, "env:") || strings.HasPrefix(value, "file:") {
			secret, _, err := source.ResolveKey(value)
			if err != nil {
				return nil, nil, inputf("exec.env: %s: %v", name, err)
			}
			value, secrets = string(secret), append(secrets, parts(secret)...)
		}
		if strings.ContainsRune(value, 0) {
			return nil, nil, inputf("exec.env: %s holds a zero byte", name)
		}
		vars = append(vars, name+"="+value)
	}
	slices.SortStableFunc(secrets, func(a, b []byte) int { return len(b) - len(a) }) // the longest is found first
	return vars, secrets, nil
}

// leastPart is the shortest line of a secret that is a secret of its own.
const leastPart = 4

// parts are a secret and, since output comes in lines, its lines.
func parts(secret []byte) [][]byte {
	all := [][]byte{secret}
	for line := range strings.FieldsFuncSeq(string(secret), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if len(line) >= leastPart && len(line) < len(secret) {
			all = append(all, []byte(line))
		}
	}
	return all
}

// stars stand for a secret.
const stars = "***"

// redact is the first limit bytes of text with stars for secrets, the longest of
// which come first. A secret that begins before the limit is covered whole; so
// text must be longer by the length of the longest, or whole.
func redact(text []byte, secrets [][]byte, limit int) []byte {
	if len(secrets) == 0 {
		return text[:min(len(text), limit)]
	}
	var clean []byte
	for k := 0; k < len(text) && k < limit; {
		n := leading(text[k:], secrets)
		if n == 0 {
			clean = append(clean, text[k])
			k++
			continue
		}
		clean = append(clean, stars...)
		k += n
	}
	return clean
}

// leading is the length of the secret that text begins with, or 0.
func leading(text []byte, secrets [][]byte) int {
	for _, s := range secrets {
		if len(s) <= len(text) && string(text[:len(s)]) == string(s) {
			return len(s)
		}
	}
	return 0
}
