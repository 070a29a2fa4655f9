//go:build !linux

package supervise

import (
	"context"
	"errors"
	"io"
)

func run(context.Context, Command, io.Writer, io.Writer) (Outcome, error) {
	return Outcome{}, errors.New("exec stages run on Linux only")
}

// Main is a supervisor: there is none.
func Main(context.Context) int { return 1 }

// Sweep finds nothing.
func Sweep(string) {}
