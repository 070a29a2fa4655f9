package supervise

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// The files of a supervisor beside the standard ones.
const (
	requestFD = 3 // one Command; its end is the wish, or the worker's death, that ends the command
	reportFD  = 4 // one Outcome
)

// late is how long a supervisor that was asked to end is waited for.
const late = Grace + killWait + 2*time.Second

func run(ctx context.Context, c Command, stdout, stderr io.Writer) (Outcome, error) {
	ours, theirs, err := pipes()
	if err != nil {
		return Outcome{}, err
	}
	defer closeAll(ours)
	request, report := ours[0], ours[1]
	cmd := exec.CommandContext(ctx, "/proc/self/exe", Word) // the same program even if its file was replaced
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = stdout, stderr, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is the worker's to handle
	cmd.Cancel, cmd.WaitDelay = request.Close, late
	err = cmd.Start()
	closeAll(theirs)
	if err != nil {
		return Outcome{}, fmt.Errorf("start supervisor: %w", err)
	}
	var o Outcome
	told := make(chan error, 1)
	go func() {
		err := gob.NewDecoder(report).Decode(&o)
		if err != nil { // what it left would keep the output open
			Sweep(c.Dir)
		}
		told <- err
	}()
	sent := gob.NewEncoder(request).Encode(c)
	waited := cmd.Wait()
	if err := <-told; err != nil {
		return Outcome{}, fmt.Errorf("%w (%w)", ErrLost, errors.Join(sent, waited, ctx.Err()))
	}
	return o, nil
}

// pipes makes the worker's ends of a request and a report, and the supervisor's.
func pipes() (ours, theirs []*os.File, err error) {
	requestR, requestW, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start supervisor: %w", err)
	}
	reportR, reportW, err := os.Pipe()
	if err != nil {
		closeAll([]*os.File{requestR, requestW})
		return nil, nil, fmt.Errorf("start supervisor: %w", err)
	}
	return []*os.File{requestW, reportR}, []*os.File{requestR, reportW}, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // pipes: nothing is lost
	}
}
