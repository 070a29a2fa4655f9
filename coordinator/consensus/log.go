package consensus

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// adapt gives raft an hclog that writes to slog. Raft's own info is debug to a
// person who runs a cluster.
func adapt(log *slog.Logger) hclog.Logger {
	root := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Debug})
	root.RegisterSink(sink{log})
	return root
}

type sink struct{ log *slog.Logger }

// Accept is hclog's way to hand over a line.
func (s sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	at := slog.LevelDebug
	if level >= hclog.Error {
		at = slog.LevelWarn
	}
	s.log.With("part", name).Log(context.Background(), at, msg, args...) //nolint:sloglint // the message is raft's
}
