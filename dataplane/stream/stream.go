// Package stream carries shards and logs over NATS JetStream: an embedded
// server, a publisher, a consumer.
package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrMissing says that the stream does not hold the whole shard.
var ErrMissing = errors.New("shard not in the stream")

// ServerConfig describes an embedded server.
type ServerConfig struct {
	Dir    string // JetStream's files
	Host   string // empty: no listener, in-process connections only
	Port   int    // 0: any free port
	Logger *slog.Logger
}

type Server struct{}

func StartServer(ctx context.Context, c ServerConfig) (*Server, error) { panic("follows") }
func (s *Server) URL() string                                          { panic("follows") } // empty without a listener
func (s *Server) Connect(ctx context.Context) (*Conn, error)           { panic("follows") }
func (s *Server) Close()                                               {}

type Conn struct{}

func Dial(ctx context.Context, url string, log *slog.Logger) (*Conn, error) { panic("follows") }
func (c *Conn) Close()                                                      {}
func (c *Conn) PublishShard(ctx context.Context, set string, shard int, messages [][]byte) error {
	panic("follows")
}
func (c *Conn) FetchShard(ctx context.Context, set string, shard, count int) ([][]byte, error) {
	panic("follows")
}
func (c *Conn) Purge(ctx context.Context) error                                 { panic("follows") }
func (c *Conn) Log(ctx context.Context, job, task string, lines []string) error { panic("follows") }

// LogEntry is one line of a task's log.
type LogEntry struct {
	Seq  uint64
	Time int64 // Unix milliseconds
	Task string
	Text string
}

func (c *Conn) ReadLog(ctx context.Context, job string, from uint64, limit int, wait time.Duration) (lines []LogEntry, next uint64, err error) {
	panic("follows")
}
