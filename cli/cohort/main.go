// Command cohort trains Deep Knowledge Tracing models on a cluster of machines
// or on one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"cohort/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(cli.Main(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
