package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) modelHistoryCommand() *cli.Command {
	at := &cli.StringFlag{Name: "at", Usage: "what was so at a `DATE`: 2006-01-02 (its beginning, UTC) or RFC 3339"}
	return p.command("history", "NAME", "show every change of a model, or what was in production at a date", clientFlags(at), func(c *cli.Context) error {
		when, err := parseAt(c.String("at"))
		if err != nil {
			return err
		}
		api, err := p.client(c)
		if err != nil {
			return err
		}
		h, err := api.ModelHistory(c.Context, c.Args().First(), when)
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(h)
		}
		if p.quiet {
			if h.Production > 0 {
				p.printf("%s@%d\n", h.Model, h.Production)
			}
			return nil
		}
		return p.printModelHistory(h, when)
	})
}

func parseAt(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usagef("--at %q: want 2006-01-02 or RFC 3339 such as 2006-01-02T15:04:05Z", s)
}

func (p *program) printModelHistory(h wire.HistoryReply, at time.Time) error {
	when := "now"
	if !at.IsZero() {
		when = "at " + at.Format(time.RFC3339)
	}
	if h.Production == 0 {
		p.printf("in production %s: no version of %s\n", when, h.Model)
	} else {
		p.printf("in production %s: %s@%d\n", when, h.Model, h.Production)
	}
	rows := make([][]string, 0, len(h.Changes))
	for _, c := range slices.Backward(h.Changes) {
		rows = append(rows, []string{
			time.UnixMilli(c.Time).UTC().Format(time.RFC3339), numbered(c.Version), changeText(c), either(oneLine(c.Actor)), either(oneLine(c.Reason)),
		})
	}
	p.printf("\n")
	return p.printTable("TIME | VERSION | CHANGE | BY | REASON", rows)
}

// changeText tells a change in a few words.
func changeText(c wire.ModelChange) string {
	text := []string{c.What}
	switch {
	case c.What == wire.ChangeAlias && c.Version == 0:
		return "alias " + c.Alias + " dropped"
	case c.What == wire.ChangeAlias:
		return "alias " + c.Alias
	case c.To != "" && c.What != wire.ChangeRegistered:
		text = append(text, fmt.Sprintf("to %s", c.To))
	}
	if c.Before > 0 {
		text = append(text, fmt.Sprintf("in place of %d", c.Before))
	}
	if c.Passed != "" {
		text = append(text, "passing over "+c.Passed)
	}
	return strings.Join(text, " ")
}
