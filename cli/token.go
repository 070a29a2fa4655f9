package cli

import (
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
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	if text := strings.TrimSpace(string(text)); text != "" {
		return text, nil
	}
	return "", fmt.Errorf("--token-file: %s is empty", path)
}
