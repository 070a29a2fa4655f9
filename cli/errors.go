package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"syscall"

	"cohort/cli/local"
	"cohort/coordinator/wire"
)

// Exit codes, as the README lists them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitGate        = 3
	exitNotFound    = 4
	exitConflict    = 5
	exitDenied      = 6
	exitUnavailable = 7
	exitJobFailed   = 8
	exitWait        = 124
	exitInterrupted = 130
	exitPlanError   = 255 // of job plan, whose 1 says that there is something to do
)

// exitError carries an exit code. Quiet: nothing is printed.
type exitError struct {
	code  int
	text  string
	quiet bool
}

func (e *exitError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, text: fmt.Sprintf(format, args...)}
}

// errWouldChange is job plan's answer when there is something to do.
var errWouldChange = &exitError{code: 1, quiet: true}

// exitCode is the one mapping of errors to exit codes.
func exitCode(err error, c *call) int {
	if err == nil {
		return 0
	}
	code := classOf(err)
	plan := c != nil && c.name() == "cohort job plan"
	if plan && !errors.Is(err, errWouldChange) && code != exitInterrupted {
		return exitPlanError
	}
	return code
}

func classOf(err error) int {
	var exit *exitError
	var reply *wire.Error
	var operation *net.OpError
	var spec *wire.SpecError
	switch {
	case errors.As(err, &spec) && onlySets(spec):
		return exitUsage
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &reply):
		return codeOf(reply.Code)
	case errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, local.ErrLocked):
		return exitConflict
	case errors.As(err, &operation):
		return exitUnavailable
	case errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	default:
		return exitFailed
	}
}

// onlySets reports whether nothing but --set flags is wrong with a job.
func onlySets(e *wire.SpecError) bool {
	return !slices.ContainsFunc(e.Faults, func(f wire.Fault) bool { return !f.Set })
}

func codeOf(c wire.Code) int {
	switch c {
	case wire.CodeGate:
		return exitGate
	case wire.CodeNotFound:
		return exitNotFound
	case wire.CodeConflict:
		return exitConflict
	case wire.CodeDenied:
		return exitDenied
	case wire.CodeNoLeader:
		return exitUnavailable
	default:
		return exitFailed
	}
}

// report prints an error as one line for each fault.
func (p *program) report(err error, c *call) {
	var exit *exitError
	if err == nil || errors.As(err, &exit) && exit.quiet {
		return
	}
	if spec, ok := errors.AsType[*wire.SpecError](err); ok {
		for _, f := range spec.Faults {
			p.err.printf("%s\n", oneLine(f.String()))
		}
		return
	}
	name := "cohort"
	if c != nil && c.leaf() != nil {
		name = c.name()
	}
	text := oneLine(err.Error())
	if rest, ok := strings.CutPrefix(text, name); !ok || rest == "" {
		text = name + ": " + text
	}
	p.err.printf("%s\n", text+advice(err))
}

// advice is what to do next, where the error itself cannot know.
func advice(err error) string {
	var reply *wire.Error
	switch {
	case !errors.As(err, &reply):
		return ""
	case reply.Code == wire.CodeNoLeader:
		return "; \"cohort dev\" starts a cluster, --addr or COHORT_ADDR names another"
	case reply.Code == wire.CodeConflict && strings.Contains(reply.Message, "has changed"):
		return "; look at it again and repeat"
	default:
		return ""
	}
}

// oneLine makes a message of one line that fits a screen, whatever a file or a
// reply put into it.
func oneLine(s string) string {
	const longest = 1000
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.TrimSpace(s))
}
