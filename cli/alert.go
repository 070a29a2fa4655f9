package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) alertCommand() *cli.Command {
	return &cli.Command{
		Name: "alert", Usage: "what a person must look at", HideHelp: true,
		Subcommands: []*cli.Command{
			p.alertListCommand(), p.alertShowCommand(), p.alertAckCommand(), p.alertSilenceCommand(), p.alertSilencesCommand(),
		},
	}
}

// shownEnded is how many incidents that are over "alert list --all" shows.
const shownEnded = 100

func (p *program) alertListCommand() *cli.Command {
	all := &cli.BoolFlag{Name: "all", Usage: fmt.Sprintf("also the last %d that are over", shownEnded)}
	c := p.command("list", "", "list open incidents", clientFlags(all), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		ended := 0
		if c.Bool("all") {
			ended = shownEnded
		}
		alerts, err := api.Alerts(c.Context, ended)
		if err != nil {
			return err
		}
		now := time.Now()
		return printList(p, alerts, func(a wire.AlertView) string { return a.ID },
			"ID | RULE | STATUS | COUNT | SINCE | LABELS | TEXT", func(a wire.AlertView) []string {
				return []string{a.ID, a.Rule, standing(a), fmt.Sprint(a.Count), ago(a.Since, now), either(labels(a.Labels)), clipped(oneLine(a.Text))}
			})
	})
	c.Description = "A coordinator looks for them once its file has a section alerts."
	return c
}

// standing is an incident's status, and that nobody is told of it.
func standing(a wire.AlertView) string {
	if a.Silence != "" {
		return string(a.Status) + ", silenced"
	}
	return string(a.Status)
}

// clipped is a text that fits a table's last column; show has all of it.
func clipped(s string) string {
	const longest = 80
	if r := []rune(s); len(r) > longest {
		return string(r[:longest-1]) + "…"
	}
	return s
}

// labels are "job=weekly,stage=train".
func labels(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+m[k])
	}
	return strings.Join(parts, ",")
}

func (p *program) alertShowCommand() *cli.Command {
	return p.command("show", "ID", "show an incident and who was told", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		a, err := api.Alert(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(a)
		}
		rows := [][]string{
			{"id", a.ID},
			{"rule", a.Rule},
			{"status", standing(a)},
			{"labels", either(labels(a.Labels))},
			{"since", utc(a.Since)},
			{"over", either(utc(a.Ended))},
			{"count", fmt.Sprint(a.Count)},
			{"taken care of by", either(oneLine(a.By))},
			{"note", either(oneLine(a.Note))},
			{"silence", either(a.Silence)},
		}
		for _, r := range slices.Sorted(maps.Keys(a.Notified)) {
			rows = append(rows, []string{"told " + r, utc(a.Notified[r])})
		}
		return p.printTable("KEY | VALUE", append(rows, []string{"text", oneLine(a.Text)}))
	})
}

func utc(ms int64) string {
	if ms == 0 {
		return ""
	}
	return zoned(ms, "UTC")
}

func (p *program) alertAckCommand() *cli.Command {
	note := &cli.StringFlag{Name: "note", Usage: "`TEXT` for the others"}
	c := p.command("ack", "ID", "say that you take care of an incident", clientFlags(note), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		r, err := api.AckAlert(c.Context, c.Args().First(), wire.AckRequest{Note: c.String("note")})
		if err != nil {
			return err
		}
		return p.printChange(r, "acknowledged")
	})
	c.Description = "Nobody is reminded of it any more; that it is over is told."
	return c
}
