package cli

import (
	"log/slog"

	"github.com/urfave/cli/v2"
)

func logFlag(level string) cli.Flag {
	return &cli.StringFlag{Name: "log", Value: level, Usage: "least `LEVEL` of log lines on stderr: debug, info, warn or error"}
}

// logger writes to stderr what --log asks for.
func (p *program) logger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log"))); err != nil {
		return nil, usagef("--log %q is unknown; known: debug, info, warn, error", c.String("log"))
	}
	return slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: level})), nil
}
