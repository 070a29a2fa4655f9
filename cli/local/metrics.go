package local

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"cohort/coordinator/metrics/machine"
	"cohort/worker"
)

// serveMetrics answers scrapes of a worker until the server is closed.
func serveMetrics(l net.Listener, node *worker.Node, dataDir string, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", machine.Handler(machine.Registry(dataDir, node.Metrics()), log))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go func() { // ends with Close
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	}()
	return s
}
