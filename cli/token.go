package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// token is the admin token that a command sends, empty where none is named.
func (p *program) token(c *cli.Context) (string, error) {
	path := c.String("token-file")
	if path == "" {
		return p.env["COHORT_TOKEN"], nil
	}
	token, err := p.secret("file:" + path)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return token, nil
}

// secret reads what env:NAME or file:PATH names; an empty reference names
// nothing. A secret in the place of its name is not repeated.
func (p *program) secret(ref string) (string, error) {
	kind, name, _ := strings.Cut(ref, ":")
	switch {
	case ref == "":
		return "", nil
	case kind == "env" && name != "":
		if text := strings.TrimSpace(p.env[name]); text != "" {
			return text, nil
		}
		return "", fmt.Errorf("the environment has no %s", name)
	case kind == "file" && name != "":
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if text := strings.TrimSpace(string(text)); text != "" {
			return text, nil
		}
		return "", fmt.Errorf("%s is empty", name)
	}
	return "", errors.New("a secret is named by env:NAME or file:PATH, never given itself")
}
