package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	mask "cohort/dataplane/source"
)

func (p *program) featureGetCommand() *cli.Command {
	flags := clientFlags(
		&cli.StringFlag{Name: "set", Usage: "`SET`: its ID or a pipeline's name (default: the only pipeline's newest)"},
		&cli.StringFlag{Name: "key", Usage: "key that masks STUDENT here: `env:NAME` or file:PATH"},
		&cli.StringFlag{Name: "at", Usage: "compute the features at this `TIME` from the events before it: 2006-01-02, RFC 3339 or microseconds"},
		&cli.IntFlag{Name: "events", Usage: "show the last `N` answers too"},
	)
	c := p.command("get", "STUDENT", "show a student's features", flags, p.featureGet)
	c.Description = `STUDENT is masked on this machine, with --key where the pipeline has mask.key; an
id of 32 hex digits without --key is taken as masked already.`
	return c
}

func (p *program) featureGet(c *cli.Context) error {
	q := client.FeatureQuery{Set: c.String("set"), Events: c.Int("events")}
	if q.Events < 0 {
		return usagef("--events is %d, want 0 or more", q.Events)
	}
	var err error
	if q.Cut, err = parseCut(c.String("at")); err != nil {
		return err
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	if q.Set == "" {
		if q.Set, err = onlySet(c.Context, api); err != nil {
			return err
		}
	}
	set, err := api.Feature(c.Context, q.Set)
	if err != nil {
		return err
	}
	q.Set = set.ID
	if q.Student, err = p.maskFor(set.Mask, c.Args().First(), c.String("key")); err != nil {
		return err
	}
	f, err := api.FeaturesOf(c.Context, q)
	if err != nil {
		return err
	}
	if p.format == "json" {
		return p.printJSON(f)
	}
	return p.printStudent(f)
}

// parseCut reads a moment as microseconds; 0 is none given.
func parseCut(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		return n, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.UnixMicro() > 0 {
			return t.UnixMicro(), nil
		}
	}
	return 0, usagef("--at %q: want 2006-01-02, RFC 3339 such as 2006-01-02T15:04:05Z, or microseconds above 0", s)
}

// onlySet is the newest set of the one pipeline that has any.
func onlySet(ctx context.Context, api *client.Client) (string, error) {
	sets, err := api.Features(ctx, false)
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range sets {
		names = append(names, s.Name)
	}
	switch len(sets) {
	case 0:
		return "", &wire.Error{Code: wire.CodeNotFound, Message: "no pipeline has made features yet"}
	case 1:
		return sets[0].ID, nil
	}
	return "", usagef("--set is missing: one of %s", strings.Join(names, ", "))
}

// maskFor masks a student id as the set's dataset is, which its fingerprint tells.
func (p *program) maskFor(fingerprint, student, ref string) (string, error) {
	if ref == "" && isMasked(student) {
		return student, nil
	}
	key, err := p.maskKey(ref)
	if err != nil {
		return "", usagef("--key: %v", err)
	}
	m := mask.NewMasker(key)
	switch {
	case m.Fingerprint() == fingerprint:
		return m.Mask(student), nil
	case ref == "":
		return "", usagef("the set's students are masked with a key of its own: name it with --key env:NAME or file:PATH, or give a masked id")
	}
	return "", usagef("--key %s is another key than the set's students are masked with (fingerprint %s, the set has %s)", ref, m.Fingerprint(), fingerprint)
}

// maskKey reads a key of this machine's.
func (p *program) maskKey(ref string) ([]byte, error) {
	if ref == "" {
		return []byte(mask.DefaultMaskKey), nil
	}
	key, err := mask.ResolveSecret(ref, "the environment", func(name string) string { return p.env[name] })
	return []byte(key), err
}

// isMasked reports whether an id has the form of a masked one.
func isMasked(id string) bool {
	return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

func (p *program) printStudent(f wire.StudentFeatures) error {
	how := "as stored in the set"
	if !f.Stored {
		how = "computed now"
	}
	p.printf("student %s, %s, %s\n", f.Student, cutOf(f.Cut), how)
	for _, t := range f.Tables {
		p.printf("\n")
		if err := p.printFeatureRows(t); err != nil {
			return err
		}
	}
	if len(f.Events) == 0 {
		return nil
	}
	p.printf("\n")
	rows := make([][]string, len(f.Events))
	for k, e := range f.Events {
		right, elapsed := "wrong", "-"
		if e.Correct {
			right = "right"
		}
		if e.ElapsedMS > 0 {
			elapsed = (time.Duration(e.ElapsedMS) * time.Millisecond).String()
		}
		rows[k] = []string{momentOf(e.Time), either(oneLine(e.Item)), oneLine(e.Skill), right, elapsed}
	}
	return p.printTable("TIME | ITEM | SKILL | ANSWER | RESPONSE TIME", rows)
}

// printFeatureRows writes one row as a list of features, several as a table;
// the student is known and left out.
func (p *program) printFeatureRows(t wire.FeatureRows) error {
	var rows [][]string
	if t.Name == "users" && len(t.Rows) == 1 {
		for k, name := range t.Columns {
			if k > 0 {
				rows = append(rows, []string{name, cell(t.Rows[0][k])})
			}
		}
		return p.printTable("FEATURE | VALUE", rows)
	}
	for _, r := range t.Rows {
		var row []string
		for _, v := range r[min(1, len(r)):] {
			row = append(row, cell(v))
		}
		rows = append(rows, row)
	}
	return p.printTable(strings.ToUpper(strings.Join(t.Columns[min(1, len(t.Columns)):], " | ")), rows)
}
