package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

const (
	replicasWithin = time.Minute // for replicas to be ready; those of a kept folder start again
	stayAtMost     = time.Hour   // in what looks like a terminal, and may have nobody before it
)

// stays reports whether the demo goes on serving after its last answer: where a
// person sits before it, or one has asked for it.
func (p *program) stays(c *cli.Context) bool {
	switch {
	case c.Bool("stay"):
		return true
	case c.Bool("once"), p.quiet, p.format == "json", p.env["CI"] != "":
		return false
	}
	return p.terminal() && onTerminal(p.in) && onTerminal(p.out.w)
}

func onTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// A demonstration shows what became of a pipeline's model.
type demonstration struct {
	*program
	api        *client.Client
	url, model string
	deploys    bool // what passes its gates
	job        string
	version    int // that answers; 0: none
	asked      []asked
}

// asked is a request with its answer.
type asked struct {
	Curl   string          `json:"curl"`
	Answer json.RawMessage `json:"answer"`
}

// run follows the pipeline to its end and asks the model that serves then.
func (d *demonstration) run(ctx context.Context, id string) error {
	j, err := d.follow(ctx, d.api, id)
	if err != nil {
		return err
	}
	d.job = id
	if d.format != "json" {
		if err := d.printResult(j); err != nil {
			return err
		}
	}
	why := ended(j)
	if why == nil {
		r, err := resultOf(j)
		if err != nil {
			return err
		}
		why = d.serve(ctx, d.deploys && r.Promoted != nil && *r.Promoted)
	}
	if d.format == "json" {
		why = errors.Join(d.printJSON(demonstrated{JobView: j, URL: d.url, Version: d.version, Asked: d.asked}), why)
	}
	return why
}

// demonstrated is the demo's end as JSON: its job, and what was asked.
type demonstrated struct {
	wire.JobView
	URL     string  `json:"url"`
	Version int     `json:"serving"`
	Asked   []asked `json:"asked"`
}

// serve waits until a version of the model answers, and asks it. comes: the pipeline
// has deployed one.
func (d *demonstration) serve(ctx context.Context, comes bool) error {
	all, err := d.api.Deployments(ctx)
	if err != nil {
		return err
	}
	if !comes && !slices.ContainsFunc(all, func(v wire.DeploymentView) bool { return v.Model == d.model && v.Status != wire.Ended }) {
		d.talk("no version of %s is deployed: nothing answers", d.model)
		return nil
	}
	version, err := d.await(ctx)
	if err != nil {
		return err
	}
	v, err := d.api.Version(ctx, d.model, strconv.Itoa(version))
	if err != nil {
		return err
	}
	m, err := manifestOf(ctx, d.api, &v.ModelVersion)
	if err != nil {
		return err
	}
	named := ""
	if len(all) > 1 {
		named = d.model
	}
	for _, e := range examples(m.Skills, named) {
		if err := d.ask(ctx, e); err != nil {
			return err
		}
	}
	d.version = version
	return nil
}

// await waits until one version has all of the traffic and its replicas are ready.
func (d *demonstration) await(ctx context.Context) (version int, err error) {
	limited, cancel := context.WithTimeout(ctx, replicasWithin)
	defer cancel()
	var index uint64
	for {
		s, next, err := d.api.Deployment(limited, d.model, index, followEvery)
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case limited.Err() != nil:
			return 0, fmt.Errorf("model %s does not answer after %v", d.model, replicasWithin)
		case err != nil && !away(err):
			return 0, err
		case err == nil && s.Next == 0 && len(s.Routes) == 1 && readyAll(s, s.Routes[0].Version):
			return s.Routes[0].Version, nil
		case err == nil && s.Next == 0 && len(s.Routes) == 0:
			return 0, &exitError{code: exitJobFailed, text: fmt.Sprintf("model %s does not answer: %s", d.model, either(oneLine(s.Reason)))}
		}
		index = next
		if err := pause(limited, followEvery/10); err != nil && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// stay serves until ctx ends, or for an hour where nobody may be there to end it.
func (d *demonstration) stay(ctx context.Context, forever bool) error {
	end := "Ctrl-C ends it"
	var after <-chan time.Time
	if !forever {
		timer := time.NewTimer(stayAtMost)
		defer timer.Stop()
		after, end = timer.C, end+", or an hour"
	}
	d.talk("\n%s@%d answers at %s; in another terminal also\n  %s\n%s.", d.model, d.version, d.url, strings.Join([]string{
		"cohort tune show --addr " + d.url + " " + d.job,
		"cohort model show --addr " + d.url + " " + d.model,
		"cohort deploy status --addr " + d.url + " " + d.model,
	}, "\n  "), end)
	select {
	case <-ctx.Done():
	case <-after:
		d.talk("an hour has passed")
	}
	return nil
}
