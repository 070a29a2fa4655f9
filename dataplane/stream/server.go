package stream

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"cohort/dataplane"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// ServerConfig describes an embedded server.
type ServerConfig struct {
	Dir    string // JetStream's files
	Host   string // empty: no listener, in-process connections only
	Port   int    // 0: any free port
	Logger *slog.Logger
}

// Server is an embedded NATS server with JetStream.
type Server struct {
	server *server.Server
	listen bool
	log    *slog.Logger
}

// startWait bounds the start of a server.
const startWait = 10 * time.Second

// StartServer starts a server and makes its streams.
func StartServer(ctx context.Context, c ServerConfig) (*Server, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil { // the server would only log it
		return nil, fmt.Errorf("make stream folder: %w", err)
	}
	o := &server.Options{
		ServerName: "cohort", JetStream: true, StoreDir: c.Dir, NoSigs: true, NoSystemAccount: false,
		DontListen: c.Host == "", Host: c.Host, Port: c.Port, MaxPayload: dataplane.MaxPayload,
		JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: maxStore,
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("stream server: %w", err)
	}
	s.SetLoggerV2(quiet{c.Logger}, false, false, false)
	s.Start()
	srv := &Server{server: s, listen: c.Host != "", log: c.Logger}
	if !s.ReadyForConnections(startWait) {
		srv.Close()
		return nil, fmt.Errorf("stream server: not ready after %v: is the port in use, or %s not writable?", startWait, c.Dir)
	}
	if !s.JetStreamEnabled() {
		srv.Close()
		return nil, fmt.Errorf("stream server: no JetStream: is %s writable?", c.Dir)
	}
	conn, err := srv.Connect(ctx)
	if err != nil {
		srv.Close()
		return nil, err
	}
	defer conn.Close()
	if err := conn.makeStreams(ctx); err != nil {
		srv.Close()
		return nil, err
	}
	return srv, nil
}

// URL is where others connect; empty without a listener.
func (s *Server) URL() string {
	if !s.listen {
		return ""
	}
	return s.server.ClientURL()
}

// Connect connects without a socket.
func (s *Server) Connect(_ context.Context) (*Conn, error) {
	return connect("", s.log, nats.InProcessServer(s.server))
}

// Close stops the server and waits for its end.
func (s *Server) Close() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// quiet makes the server's lines debug records: its warnings are about choices
// that this package has made.
type quiet struct{ log *slog.Logger }

func (q quiet) line(format string, v []any) {
	q.log.Debug("stream server", "line", fmt.Sprintf(format, v...))
}

func (q quiet) Noticef(format string, v ...any) { q.line(format, v) }
func (q quiet) Warnf(format string, v ...any)   { q.line(format, v) }
func (q quiet) Fatalf(format string, v ...any)  { q.line(format, v) }
func (q quiet) Errorf(format string, v ...any)  { q.line(format, v) }
func (q quiet) Debugf(format string, v ...any)  { q.line(format, v) }
func (q quiet) Tracef(format string, v ...any)  { q.line(format, v) }
