package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"cohort/coordinator/wire"
	"cohort/worker/supervise"
)

// Bounds of what an error tells of a command.
const (
	mostCommand = 200 // bytes of the command line
	lastLines   = 5   // of its standard error
	mostLast    = 600 // bytes of them
)

// runExec runs a command in a folder of its own that holds its inputs, and
// stores the outputs that it leaves there. Its output lines are the task's log.
// An error that ends a command is ctx's cause.
func runExec(ctx context.Context, env Env, st wire.Stage) (r wire.TaskResult, err error) {
	s, err := settings[wire.ExecSettings](st)
	if err != nil {
		return r, err
	}
	program, err := allowed(env.Exec, s.Command)
	if err != nil {
		return r, err
	}
	vars, secrets, err := variables(s.Env)
	if err != nil {
		return r, err
	}
	b, err := newBox(env.Dir, st.Name)
	if err != nil {
		return r, err
	}
	defer b.remove(env.Logger)
	if err := b.fetch(ctx, env, st.Inputs); err != nil {
		return r, err
	}
	c := newConsole(secrets, func(lines []string) {
		env.Progress(wire.Progress{Message: "running " + s.Command[0], Lines: lines})
	})
	env.Progress(wire.Progress{Message: "running " + s.Command[0]})
	outcome, err := supervise.Run(ctx, supervise.Command{
		Path: program, Args: s.Command, Dir: b.dir, MemoryMB: s.MemoryMB, Env: b.environment(vars),
	}, c.out, c.err)
	c.close()
	if ended := context.Cause(ctx); ended != nil {
		return r, ended
	}
	what := "exec: " + shown(s.Command, secrets)
	if err == nil {
		err = verdict(outcome, s, c)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", what, err)
	}
	if outcome.Killed > 0 {
		env.Logger.Warn("the command left processes running: they were killed", "processes", outcome.Killed)
	}
	r.Outputs, err = b.store(ctx, env, s.Outputs)
	if err != nil {
		return r, fmt.Errorf("%s: %w", what, err)
	}
	return r, nil
}

// shown is a command on one line, with quotes where a word needs them.
func shown(command []string, secrets [][]byte) string {
	var b strings.Builder
	for k, w := range command {
		if k > 0 {
			b.WriteByte(' ')
		}
		w = string(redact([]byte(w), secrets, mostCommand))
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }) {
			w = fmt.Sprintf("%q", w)
		}
		b.WriteString(w)
		if b.Len() > mostCommand {
			return strings.ToValidUTF8(b.String()[:mostCommand], "") + "…"
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// verdict says what is wrong with a command's end.
func verdict(o supervise.Outcome, s wire.ExecSettings, c *console) error {
	var text string
	switch {
	case o.Error != "":
		return fmt.Errorf("can't be started: %s", o.Error)
	case o.Memory:
		text = fmt.Sprintf("out of memory: over the %d MB that exec.memory_mb allows", s.MemoryMB)
	case o.Stuck > 0:
		text = fmt.Sprintf("%d of its processes can't be killed", o.Stuck)
	case o.Signal != 0:
		text = fmt.Sprintf("ended by signal %d (%v)", o.Signal, syscall.Signal(o.Signal))
	case o.Exit != 0:
		text = fmt.Sprintf("exit code %d", o.Exit)
	default:
		return nil
	}
	if last := c.err.lastWords(); last != "" {
		text += ": " + last
	}
	return errors.New(text)
}
