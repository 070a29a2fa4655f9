package source

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// resolveSecret is ResolveSecret in a worker.
func resolveSecret(ref string) (string, error) {
	return ResolveSecret(ref, "the environment of this worker", os.Getenv)
}

// ResolveSecret reads what "env:NAME" or "file:PATH" names; getenv reads the
// environment, which errors call whose. No error repeats more than a reference: a
// secret written where its name belongs stays unsaid.
func ResolveSecret(ref, whose string, getenv func(string) string) (string, error) {
	kind, name, _ := strings.Cut(ref, ":")
	switch {
	case kind == "env" && envName.MatchString(name):
		if text := getenv(name); text != "" {
			return text, nil
		}
		return "", fmt.Errorf("%s: %s has no %s", ref, whose, name)
	case kind == "file" && name != "" && !strings.ContainsAny(name, "@\n") && !strings.Contains(name, "://"):
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("%s: %w", ref, errors.Unwrap(err)) // the path is in ref
		}
		if text := strings.TrimSpace(string(b)); text != "" {
			return text, nil
		}
		return "", fmt.Errorf("%s: the file is empty", ref)
	}
	return "", errors.New("a secret is named by env:NAME or file:PATH, never given itself")
}
