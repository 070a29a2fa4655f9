//go:build interop

package source_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgServer is a real server in a folder of its own, stopped when the test ends.
type pgServer struct {
	t    testing.TB
	bin  string
	dir  string
	port int
	as   *syscall.Credential // nil: the user who tests
	cmd  *exec.Cmd
	out  bytes.Buffer
}

const (
	pgTestUser     = "cohort_admin"
	pgTestPassword = "s3cret-of-the-server"
)

// startPostgres makes and starts a server. Options are settings, "name=value".
func startPostgres(t testing.TB, options ...string) *pgServer {
	t.Helper()
	s := newPostgres(t)
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(pgTestPassword), 0o644); err != nil {
		t.Fatal(err)
	}
	s.tool("initdb", "--pgdata", s.data(), "--auth=scram-sha-256", "--username="+pgTestUser, "--pwfile="+password,
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	s.start(options...)
	return s
}

// newPostgres makes the folder, and finds the programs and a user who may run
// them: a server refuses to be root.
func newPostgres(t testing.TB) *pgServer {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Fatalf("no PostgreSQL server here (%v): run .ci/interop/postgres/install", err)
	}
	dir, err := os.MkdirTemp("", "cohort-postgres-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &pgServer{t: t, bin: filepath.Dir(found[len(found)-1]), dir: dir, port: freePort(t)}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32) // numbers on Linux
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *pgServer) data() string { return filepath.Join(s.dir, "data") }

// command is a program of the server's; it ends with the tests at the latest.
func (s *pgServer) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PGPASSWORD="+pgTestPassword)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

func (s *pgServer) tool(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (s *pgServer) start(options ...string) {
	s.t.Helper()
	args := []string{"-D", s.data(), "-k", s.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)}
	for _, o := range append([]string{"fsync=off", "max_prepared_transactions=10", "shared_buffers=256MB", "max_wal_size=4GB"}, options...) {
		args = append(args, "-c", o)
	}
	s.cmd = s.command("postgres", args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.stop(syscall.SIGINT) })
	eventually(s.t, "the server answers", func() bool {
		c, err := pgconn.Connect(s.t.Context(), s.url("postgres"))
		if err != nil {
			return false
		}
		return c.Close(s.t.Context()) == nil
	})
}

// stop ends the server: SIGINT at once but in order, SIGQUIT as if it crashed.
func (s *pgServer) stop(signal os.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal)
	_ = s.cmd.Wait() // ended by a signal
	s.cmd = nil
}

func (s *pgServer) url(database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", pgTestUser, pgTestPassword, s.port, database)
}

// database makes an empty database, and gives its URL.
func (s *pgServer) database(t testing.TB, name string) string {
	t.Helper()
	pgExec(t, pgConnect(t, s.url("postgres")), "CREATE DATABASE "+name)
	return s.url(name)
}

func pgConnect(t testing.TB, url string) *pgconn.PgConn {
	t.Helper()
	c, err := pgconn.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // may be closed
	return c
}

// fatal is what testing.T and rapid.T have in common.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

// pgExec runs statements.
func pgExec(t fatal, c *pgconn.PgConn, sql string) {
	t.Helper()
	if _, err := c.Exec(context.Background(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// attemptsTable is a log of attempts as products keep it.
const attemptsTable = `CREATE TABLE attempts (
id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, student text, item text, skill text, correct boolean, at timestamptz, ms integer)`

// loadAttempts adds n made-up attempts, id first to first + n − 1, by COPY: about
// a million a second.
func loadAttempts(t testing.TB, c *pgconn.PgConn, table string, first, n int) {
	t.Helper()
	r := &attemptLines{next: first, end: first + n}
	if _, err := c.CopyFrom(context.Background(), r, "COPY "+table+" (id, student, item, skill, correct, at, ms) FROM STDIN"); err != nil {
		t.Fatal(err)
	}
}

// attemptLines are rows in the form of COPY.
type attemptLines struct {
	next, end int
	buf       []byte
}

func (a *attemptLines) Read(p []byte) (int, error) {
	for ; len(a.buf) < len(p) && a.next < a.end; a.next++ {
		k := a.next
		at := time.UnixMicro(1_700_000_000_000_000 + int64(k)*7_654_321).UTC()
		a.buf = fmt.Appendf(a.buf, "%d\tu%d\ti%d\ts%d\t%t\t%s\t%d\n",
			k, k*7919%20_011, k*104_729%5003, k*104_729%5003%120, k*31%10 < 6, at.Format("2006-01-02 15:04:05.999999Z07:00"), 500+k*37%60_000)
	}
	if len(a.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, a.buf)
	a.buf = a.buf[:copy(a.buf, a.buf[n:])]
	return n, nil
}
