// Package supervise runs a command so that nothing of it is left behind. The
// worker starts its own binary again as a supervisor, which starts the command:
// the supervisor is the parent of every orphan below it, ends all of them when
// the command ends, when it is asked to, or when the worker is gone, however the
// worker died. A main function, and the TestMain of a test that runs commands,
// hands over to Main when its first argument is Word.
//
// What escapes: a process that another one starts at the command's wish (a
// daemon's container), and, if the supervisor itself is killed with SIGKILL,
// processes that have emptied their environment.
package supervise

import (
	"context"
	"errors"
	"io"
	"time"
)

// Word is the first argument of a process that is to be a supervisor.
const Word = "__exec"

// Asked reports whether a program's arguments, the first its name, ask it to be
// a supervisor.
func Asked(args []string) bool { return len(args) > 1 && args[1] == Word }

// Mark is the variable of the environment that names the folder of a command:
// Sweep finds by it what a dead supervisor left.
const Mark = "COHORT_EXEC"

// Grace is how long a command has between SIGTERM and SIGKILL.
const Grace = time.Second

// ErrLost says that the supervisor ended without a word.
var ErrLost = errors.New("the command's supervisor was killed")

// Command is what to run.
type Command struct {
	Path string
	Args []string // the first is the program's own name
	Dir  string   // absolute; where it runs
	Env  []string // NAME=VALUE; Mark is added
	// MemoryMB bounds what the command and all below it hold together (Pss,
	// looked at ten times a second); twice as much is the most data that one
	// process may map. 0: no bound.
	MemoryMB int
}

// Outcome is what became of a command.
type Outcome struct {
	Exit    int  // −1 when a signal ended it
	Signal  int  // 0: none
	Memory  bool // it held more than MemoryMB, and ended by that
	Stopped bool
	Killed  int    // processes that it had left running
	Stuck   int    // processes that SIGKILL did not end in time
	Error   string // why it could not be started
}

// Run runs c until it ends, or until ctx ends: then all of it gets SIGTERM, and
// SIGKILL after Grace. When Run returns nothing of it runs any more. Writes to
// stdout and stderr are made from two goroutines, which have ended by then.
func Run(ctx context.Context, c Command, stdout, stderr io.Writer) (Outcome, error) {
	return run(ctx, c, stdout, stderr)
}
