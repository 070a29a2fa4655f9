package cli

import (
	"time"

	"github.com/urfave/cli/v2"

	"cohort/bench"
	"cohort/kernels"
	"cohort/worker/serve"
)

func (p *program) benchServeCommand() *cli.Command {
	flags := benchFlags(
		&cli.IntFlag{Name: "hidden", Value: 200, Usage: "`SIZE` of the LSTM"},
		&cli.IntFlag{Name: "skills", Value: 136, Usage: "`N` skills, all predicted"},
		&cli.IntFlag{Name: "length", Value: 100, Usage: "`N` answers of a sequence, one a request"},
		&cli.IntFlag{Name: "clients", Value: 16, Usage: "`N` of the closed loop"},
		&cli.Float64Flag{Name: "rate", Value: 1000, Usage: "`N` requests a second of the open loop"},
		&cli.DurationFlag{Name: "time", Value: 2 * time.Second, Usage: "`DURATION` of a repetition"},
	)
	c := p.command("serve", "", "a replica's latency and rate on loopback, beside its bare model", flags, p.benchServe)
	c.Description = `One replica in this process answers POST /invocations, which this process asks as
well. In the closed loop each client asks again when it is answered; in the open
loop requests come at a rate, and time counts from when each was due.
` + benchFormat
	return c
}

func (p *program) benchServe(c *cli.Context) (err error) {
	for _, name := range []string{"hidden", "skills", "length", "clients"} {
		if n := c.Int(name); n < 1 || n > 4096 {
			return usagef("--%s is %d, want 1 to 4096", name, n)
		}
	}
	if r := c.Float64("rate"); !(r > 0 && r <= 1e6) {
		return usagef("--rate is %g, want above 0 and at most a million", r)
	}
	if c.Duration("time") < 10*time.Millisecond {
		return usagef("--time is %v, want at least 10ms", c.Duration("time"))
	}
	h := c.Int("hidden")
	s, err := bench.NewServing(c.Context, bench.Asked{
		Shape:  kernels.Shape{Skills: c.Int("skills"), Embed: h, Hidden: h, Layers: 1},
		Length: c.Int("length"), Clients: c.Int("clients"), Rate: c.Float64("rate"), Time: c.Duration("time"), Lanes: serve.Lanes(c.Int("threads")),
	})
	if err != nil {
		return err
	}
	defer func() {
		if fault := s.Close(); err == nil {
			err = fault
		}
	}()
	return p.benchRun(c, s.Scenarios())
}
