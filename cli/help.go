package cli

import (
	"strings"

	"github.com/urfave/cli/v2"
)

const about = `cohort trains, evaluates and serves Deep Knowledge Tracing models.

  cohort demo                       a cluster in one process, start to end
  cohort dev                        a cluster to work with; then, elsewhere:
  cohort job init > train.yaml
  cohort job run train.yaml
`

const footnote = `
Flags work before and after arguments. A flag's value comes from the command
line, else COHORT_NAME, else ./cohort.yaml, else $XDG_CONFIG_HOME/cohort/config.yaml.
Exit codes: 0 done, 1 failed, 2 usage, 3 gate refused, 4 not found, 5 conflict
(changed meanwhile, or folder or port taken), 6 not permitted, 7 unavailable,
8 job failed, 124 wait timed out, 130 interrupted; job plan: 0 nothing to do,
1 would change, 255 error.
`

// help prints what the call's command is for; help is asked for, so it is data.
func (p *program) help(c *call) error {
	leaf := c.leaf()
	var rows [][]string
	title := "Commands:"
	switch {
	case leaf == nil:
		p.printf("%s\n", about)
	case len(leaf.Subcommands) > 0:
		p.printf("%s: %s\n\n", c.name(), leaf.Usage)
	default:
		p.printf("%s: %s\n\nUsage: %s\n", c.name(), leaf.Usage, strings.TrimSpace(c.name()+" [flags] "+leaf.ArgsUsage))
		if leaf.Description != "" {
			p.printf("\n%s\n", strings.TrimSpace(leaf.Description))
		}
		title = "\nFlags:"
		for _, f := range leaf.Flags {
			rows = append(rows, []string{"  " + flagHead(f), flagUsage(f)})
		}
	}
	for _, b := range c.below() {
		rows = append(rows, []string{"  " + strings.TrimSpace(b.Name+" "+b.ArgsUsage), b.Usage})
	}
	if err := p.printTable(title, rows); err != nil {
		return err
	}
	if leaf == nil {
		p.printf("%s", footnote)
	}
	return nil
}

// flagHead is "-o, --output FORMAT".
func flagHead(f cli.Flag) string {
	names := f.Names()
	head := "--" + names[0]
	for _, n := range names[1:] {
		head = "-" + n + ", " + head
	}
	if d, ok := f.(cli.DocGenerationFlag); ok && d.TakesValue() {
		head += " " + valueName(d.GetUsage())
	}
	return head
}

// valueName is the word in backquotes of a flag's usage.
func valueName(usage string) string {
	if _, rest, ok := strings.Cut(usage, "`"); ok {
		word, _, _ := strings.Cut(rest, "`")
		return word
	}
	return "VALUE"
}

func flagUsage(f cli.Flag) string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	usage := strings.ReplaceAll(d.GetUsage(), "`", "")
	value := strings.Trim(d.GetValue(), `"`)
	if d.TakesValue() && value != "" && value != "0" && value != "0s" && value != "[]" {
		usage += " (default " + value + ")"
	}
	return usage
}
