// Package cli is the command line: one file a command, each over the API
// client, its data to stdout and its talk to stderr.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/worker/supervise"
)

// Main runs the command line args, whose first word is the program's name, and
// answers its exit code. Nothing but the arguments is read or written, except
// the files and addresses that they name; env holds KEY=VALUE.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) (code int) {
	if supervise.Asked(args) { // a worker runs a command: its files are the process's own
		return supervise.Main(ctx)
	}
	p := &program{in: stdin, out: &sink{w: stdout}, err: &sink{w: stderr}, env: environment(env)}
	defer func() {
		if r := recover(); r != nil {
			p.report(fmt.Errorf("internal error: %v: this is a bug; COHORT_DEBUG=1 shows where", r), nil)
			if p.env["COHORT_DEBUG"] != "" {
				p.err.printf("%s", debug.Stack())
			}
			code = exitFailed
		}
	}()
	defer func() {
		for _, c := range p.clients {
			c.Close()
		}
	}()
	call, err := parse(p.commands(), args[min(1, len(args)):])
	if err == nil {
		err = errors.Join(p.run(ctx, call), p.out.failure())
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = &exitError{code: exitInterrupted, quiet: true}
	}
	p.report(err, call)
	return exitCode(err, call)
}

// A program is one invocation's surroundings.
type program struct {
	in     io.Reader
	out    *sink // data
	err    *sink // talk
	env    map[string]string
	format string // table | json
	quiet  bool
	color  bool

	clients []*client.Client // to close
}

func environment(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		m[k] = v
	}
	return m
}

// commands is the whole tree.
func (p *program) commands() []*cli.Command {
	return []*cli.Command{
		p.demoCommand(), p.devCommand(), p.coordinatorCommand(), p.workerCommand(),
		p.jobCommand(), p.tuneCommand(), p.scheduleCommand(), p.nodeCommand(), p.dataCommand(), p.featureCommand(), p.modelCommand(),
		p.deployCommand(), p.alertCommand(), p.benchCommand(),
		p.doctorCommand(), p.versionCommand(),
	}
}

// run hands a parsed call to its command's action.
func (p *program) run(ctx context.Context, call *call) error {
	if call.help {
		return p.help(call)
	}
	if err := p.layer(call); err != nil {
		return err
	}
	app := &cli.App{
		Name: "cohort", Commands: p.commands(), HideHelp: true, HideVersion: true,
		Writer: p.err, ErrWriter: p.err, DisableSliceFlagSeparator: true,
		ExitErrHandler: func(*cli.Context, error) {},
	}
	return app.RunContext(ctx, call.line())
}

// settle reads the flags that every command has.
func (p *program) settle(c *cli.Context) error {
	p.format, p.quiet = c.String("output"), c.Bool("quiet")
	if p.format != "table" && p.format != "json" {
		return usagef("--output %q is unknown; known: table, json", p.format)
	}
	p.color = !c.Bool("no-color") && p.env["NO_COLOR"] == "" && p.terminal()
	return nil
}

// terminal reports whether stderr is one that bars and colours are for.
func (p *program) terminal() bool {
	return onTerminal(p.err.w) && p.env["TERM"] != "dumb"
}

// talk writes a line for people to stderr.
func (p *program) talk(format string, args ...any) {
	if !p.quiet {
		p.err.printf(format+"\n", args...)
	}
}

// command makes a leaf of the tree: common flags, argument count, action.
func (p *program) command(name, args, usage string, flags []cli.Flag, action func(*cli.Context) error) *cli.Command {
	return &cli.Command{
		Name: name, ArgsUsage: args, Usage: usage, HideHelp: true,
		Flags: append(flags, commonFlags()...),
		Action: func(c *cli.Context) error {
			if err := p.settle(c); err != nil {
				return err
			}
			return action(c)
		},
	}
}

func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "table", Usage: "`FORMAT` of data on stdout: table or json"},
		&cli.BoolFlag{Name: "no-color", Usage: "no colours (also NO_COLOR)"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no talk on stderr; lists give ids only"},
	}
}

// clientFlags are those of commands that talk to a cluster.
func clientFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringFlag{Name: "addr", Value: defaultAddr, Usage: "`URL` of a coordinator, or a list with commas"},
		&cli.StringFlag{Name: "token-file", Usage: "`FILE` of the admin token (also COHORT_TOKEN)"})
}
