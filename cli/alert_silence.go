package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) alertSilenceCommand() *cli.Command {
	flags := clientFlags(
		&cli.StringSliceFlag{Name: "label", Usage: "only incidents with label `NAME=VALUE`: job, run, stage, schedule, worker or model; may be repeated"},
		&cli.BoolFlag{Name: "all", Usage: "whatever it is"},
		&cli.StringFlag{Name: "for", Usage: "`DURATION`, such as 2h (needed)"},
		&cli.StringFlag{Name: "reason", Usage: "`TEXT` that says why (needed)"},
		&cli.StringFlag{Name: "end", Usage: "end the silence `ID` instead"},
	)
	c := p.command("silence", "[RULE]", "hold back the notices of incidents", flags, p.silence)
	c.Description = "Incidents open and end all the same. One that is still open when the silence ends is told then."
	return c
}

func (p *program) silence(c *cli.Context) error {
	if c.String("end") != "" {
		return p.endSilence(c)
	}
	q, err := silenceRequest(c)
	if err != nil {
		return err
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	return p.silenced(c, api, q)
}

func (p *program) silenced(c *cli.Context, api *client.Client, q wire.SilenceRequest) error {
	r, err := api.Silence(c.Context, q)
	if err != nil {
		return err
	}
	if p.format == "json" {
		return p.printJSON(r)
	}
	p.printf("%s\n", r.ID)
	p.talk("silent for %s; \"cohort alert silence --end %s\" ends it", span(time.Duration(q.ForMS)*time.Millisecond), r.ID)
	return nil
}

func silenceRequest(c *cli.Context) (q wire.SilenceRequest, err error) {
	q = wire.SilenceRequest{Rule: c.Args().First(), All: c.Bool("all"), Reason: c.String("reason"), Labels: map[string]string{}}
	for _, l := range c.StringSlice("label") {
		name, value, ok := strings.Cut(l, "=")
		if !ok || name == "" || value == "" {
			return q, usagef("--label %q is not NAME=VALUE", l)
		}
		q.Labels[name] = value
	}
	switch {
	case strings.TrimSpace(q.Reason) == "":
		return q, usagef("--reason is missing: say why, for whoever wonders that nothing is told")
	case c.String("for") == "":
		return q, usagef("--for is missing: say how long, such as --for 2h")
	case q.All && (q.Rule != "" || len(q.Labels) > 0):
		return q, usagef("--all goes with no RULE and no --label")
	case !q.All && q.Rule == "" && len(q.Labels) == 0:
		return q, usagef("what is silenced? Name a RULE, a --label, or --all")
	}
	d, err := time.ParseDuration(c.String("for"))
	if err != nil || d < time.Millisecond {
		return q, usagef("--for %q is no duration above zero, such as 2h", c.String("for"))
	}
	q.ForMS = d.Milliseconds()
	return q, nil
}

func (p *program) endSilence(c *cli.Context) error {
	if c.Args().Present() || c.String("for") != "" || len(c.StringSlice("label")) > 0 || c.Bool("all") {
		return usagef("--end ends a silence: it goes with no RULE, --label, --all or --for")
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	r, err := api.EndSilence(c.Context, c.String("end"))
	if err != nil {
		return err
	}
	return p.printChange(r, "ended")
}

func (p *program) alertSilencesCommand() *cli.Command {
	all := &cli.BoolFlag{Name: "all", Usage: "also those that are over"}
	return p.command("silences", "", "list silences", clientFlags(all), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		silences, err := api.Silences(c.Context)
		if err != nil {
			return err
		}
		now, shown := time.Now(), []wire.Silence{}
		for _, s := range silences {
			if c.Bool("all") || s.Until > now.UnixMilli() {
				shown = append(shown, s)
			}
		}
		return printList(p, shown, func(s wire.Silence) string { return s.ID },
			"ID | RULE | LABELS | LEFT | BY | REASON", func(s wire.Silence) []string {
				return []string{
					s.ID, either(s.Rule), either(labels(s.Labels)), span(time.UnixMilli(s.Until).Sub(now)), either(s.By), oneLine(s.Reason),
				}
			})
	})
}
