//go:build interop

package source_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/source"
)

// TestPostgresStopsInTheMiddle is an outage, in order or not, that is tried again.
func TestPostgresStopsInTheMiddle(t *testing.T) {
	s := startPostgres(t)
	url := s.database(t, "stops")
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	loadAttempts(t, c, "attempts", 1, 200_000)
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
	plan, _, err := p.src.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		var n int
		err := p.src.Read(t.Context(), plan, &source.Reader{
			Mapper: source.NewMapper(p.columns, source.NewMasker(nil), source.Bounds{}),
			Emit: func(dataplane.Event) error {
				if n++; n == 1000 {
					s.stop(signal)
				}
				return nil
			},
		})
		var input *source.InputError
		if err == nil || errors.As(err, &input) {
			t.Fatalf("%v: %v after %d rows", signal, err, n)
		}
		saysOnly(t, err, "source.postgres.url (env:")
		t.Log(err)
		if _, _, err := p.src.Plan(t.Context(), nil); err == nil || errors.As(err, &input) {
			t.Fatalf("%v: %v", signal, err)
		}
		s.start()
		if events, _, err := p.read(plan); err != nil || len(events) != 200_000 {
			t.Errorf("%v: %d events, %v", signal, len(events), err)
		}
	}
}

// TestPostgresRate prints how fast events come, and how fast they could: the
// server alone, and the client without mapping and masking.
func TestPostgresRate(t *testing.T) {
	n := interopEvents(t)
	s := startPostgres(t)
	url := s.database(t, "rate")
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	rate := func(what string, do func()) {
		start := time.Now()
		do()
		t.Logf("%-12s %10.0f rows/s", what, float64(n)/time.Since(start).Seconds())
	}
	rate("load", func() { loadAttempts(t, c, "attempts", 1, n) })
	pgExec(t, c, "ANALYZE attempts")
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
	var plan json.RawMessage
	rate("plan", func() {
		var err error
		if plan, _, err = p.src.Plan(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("the plan has %d bytes", len(plan))
	rate("nothing new", func() {
		if _, more, err := p.src.Plan(t.Context(), plan); more || err != nil {
			t.Fatal(more, err)
		}
	})
	rate("server alone", func() {
		pgExec(t, c, "SELECT count(*) FROM (SELECT id::text, student, item, skill, correct, at, ms, age(xmin) FROM attempts ORDER BY id OFFSET 0) q")
	})
	var events int
	rate("read", func() {
		err := p.src.Read(t.Context(), plan, &source.Reader{
			Mapper: source.NewMapper(p.columns, source.NewMasker([]byte("key")), source.Bounds{}),
			Emit:   func(dataplane.Event) error { events++; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if events != n {
		t.Errorf("%d events", events)
	}
}

// TestPostgresStandby reads from a copy that may lag behind.
func TestPostgresStandby(t *testing.T) {
	primary := startPostgres(t)
	c := pgConnect(t, primary.url("postgres"))
	pgExec(t, c, attemptsTable)
	loadAttempts(t, c, "attempts", 1, 100)
	standby := newPostgres(t)
	standby.tool("pg_basebackup", "-D", standby.data(), "-h", "127.0.0.1", "-p", fmt.Sprint(primary.port), "-U", pgTestUser,
		"-R", "-c", "fast", "--no-sync")
	standby.start()
	copied := pgConnect(t, standby.url("postgres"))
	rows := func(n int) func() bool {
		return func() bool {
			r, err := copied.Exec(t.Context(), "SELECT count(*) FROM attempts").ReadAll()
			return err == nil && string(r[0].Rows[0][0]) == fmt.Sprint(n)
		}
	}
	spec := wire.PostgresSpec{Table: "attempts"}
	p := newPuller(t, primary.url("postgres"), spec)
	p.pull(100)
	open := pgConnect(t, primary.url("postgres"))
	pgExec(t, open, "BEGIN; INSERT INTO attempts VALUES (101, 'u', 'i', 's', true, '2024-01-01', 5); SAVEPOINT a; INSERT INTO attempts VALUES (102, 'u', 'i', 's', true, '2024-01-01', 5)")
	loadAttempts(t, c, "attempts", 103, 1)
	eventually(t, "the standby has the row", rows(101))
	t.Run("goesOnFromThePrimary", func(t *testing.T) {
		q := newPuller(t, standby.url("postgres"), spec)
		q.last = p.last
		q.pull(1)
		pgExec(t, open, "COMMIT")
		eventually(t, "the standby has all", rows(103))
		q.pull(2)
		q.pull(0)
	})
	p.pull(3)
	pgExec(t, copied, "SELECT pg_wal_replay_pause()")
	loadAttempts(t, c, "attempts", 104, 5)
	p.pull(5)
	t.Run("thatLagsBehind", func(t *testing.T) {
		q := newPuller(t, standby.url("postgres"), spec)
		_, _, err := q.read(p.last)
		if _, is := errors.AsType[*source.InputError](err); err == nil || is {
			t.Fatalf("read: %v", err)
		}
		saysOnly(t, err, "5 planned rows", "unless this standby lags behind")
		_, _, err = q.src.Plan(t.Context(), p.last)
		if _, is := errors.AsType[*source.InputError](err); err == nil || is {
			t.Fatalf("plan: %v", err)
		}
		saysOnly(t, err, "unless this standby lags behind")
		pgExec(t, copied, "SELECT pg_wal_replay_resume()")
		eventually(t, "the standby has caught up", rows(108))
		if events, _, err := q.read(p.last); err != nil || len(events) != 5 {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
}

// TestPostgresTransactionsComeRound lets ids pass 2³², where they begin anew in
// the rows.
func TestPostgresTransactionsComeRound(t *testing.T) {
	s := startPostgres(t, "autovacuum=off")
	url := s.url("postgres")
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	loadAttempts(t, c, "attempts", 1, 100)
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
	p.pull(100)
	pgExec(t, c, "VACUUM FREEZE")
	s.stop(syscall.SIGINT)
	// A server is made to believe that it is 5,000 transactions before the turn.
	const turn, before, perFile = 1 << 32, 5000, 1 << 20
	s.tool("pg_resetwal", "-D", s.data(), "-x", fmt.Sprint(turn-before))
	status := filepath.Join(s.data(), "pg_xact", fmt.Sprintf("%04X", (turn-before)/perFile))
	if err := os.WriteFile(status, make([]byte, perFile/4), 0o666); err != nil {
		t.Fatal(err)
	}
	if s.as != nil {
		if err := os.Chown(status, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.start("autovacuum=off")
	c = pgConnect(t, url)
	spend := func(n int) {
		pgExec(t, c, fmt.Sprintf("DO $$ BEGIN FOR k IN 1..%d LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$", n))
	}
	p.pull(0)
	loadAttempts(t, c, "attempts", 101, 10)
	p.pull(10)
	open := pgConnect(t, url)
	pgExec(t, open, "BEGIN; INSERT INTO attempts VALUES (111, 'u', 'i', 's', true, '2024-01-01', 5)")
	spend(before - 100)
	loadAttempts(t, c, "attempts", 112, 3)
	p.pull(3)
	spend(200)
	loadAttempts(t, c, "attempts", 115, 3)
	pgExec(t, open, "COMMIT") // from before the turn
	p.pull(4)
	p.pull(0)
	// The first rows' number comes up again: which is told, and a full run heals.
	spend(2000)
	_, _, err := p.src.Plan(t.Context(), p.last)
	mustBeInput(t, err, "of 117 rows that were extracted before, 17 are as they were", "extract it in full again")
	again := &puller{t: t, src: p.src, columns: p.columns}
	again.pull(117)
	loadAttempts(t, c, "attempts", 118, 1)
	again.pull(1)
}
