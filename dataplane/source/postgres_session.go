package source

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgBegin opens the transaction. Values have one form whatever the server's
// settings; a scan may take its time, as that of a backup, but waits for no
// lock for long.
const pgBegin = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL client_encoding = 'UTF8';
SET LOCAL lock_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL jit = off`

// pgLeast is the oldest server that has all that is asked of it: multiranges.
const pgLeast = 14

// pgSession is one transaction: one snapshot.
type pgSession struct {
	p    *postgres
	conn *pgconn.PgConn
	snap pgSnapshot
}

// connect opens a transaction and takes its snapshot.
func (p *postgres) connect(ctx context.Context) (*pgSession, error) {
	conn, err := pgconn.ConnectConfig(ctx, p.config)
	if err != nil {
		return nil, p.unreachable(ctx, err)
	}
	s := &pgSession{p: p, conn: conn}
	if err := s.begin(ctx); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *pgSession) begin(ctx context.Context) error {
	if v := s.conn.ParameterStatus("server_version"); pgMajor(v) < pgLeast {
		return &InputError{File: s.p.urlName(), Text: fmt.Sprintf("the server is PostgreSQL %d: %d or newer is needed", pgMajor(v), pgLeast)}
	}
	begin := pgBegin
	if _, set := s.p.config.RuntimeParams["statement_timeout"]; !set {
		begin += "; SET LOCAL statement_timeout = 0" // as pg_dump does; the URL's own stands
	}
	if _, err := s.conn.Exec(ctx, begin).ReadAll(); err != nil {
		return s.p.fault(ctx, err)
	}
	row, err := s.row(ctx, "SELECT pg_current_snapshot(), age('3'::xid), pg_is_in_recovery()")
	if err != nil {
		return err
	}
	s.snap, err = parsePgSnapshot(row[0], row[1])
	s.snap.standby = row[2] == "t"
	return err
}

// pgMajor reads "15.18 (Debian …)" or "16beta1".
func pgMajor(version string) int {
	digits := len(version) - len(strings.TrimLeft(version, "0123456789"))
	major, _ := strconv.Atoi(version[:digits]) // digits, or nothing: 0
	return major
}

// close ends the transaction with the connection; a statement that still runs
// is given up.
func (s *pgSession) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx) // nothing was written
}

// row runs a statement that gives one row, as text; NULL is empty.
func (s *pgSession) row(ctx context.Context, sql string, params ...string) ([]string, error) {
	var got []string
	err := s.each(ctx, sql, params, func(row [][]byte) error {
		got = make([]string, len(row))
		for k, v := range row {
			got[k] = string(v)
		}
		return nil
	})
	if err == nil && got == nil {
		err = fmt.Errorf("%s: the server gave no row", s.p.name())
	}
	return got, err
}

// each hands a statement's rows, as text, to take. A row is good until take
// returns. An error of take's ends it, and with it the use of the session.
func (s *pgSession) each(ctx context.Context, sql string, params []string, take func(row [][]byte) error) error {
	values := make([][]byte, len(params))
	for k, v := range params {
		values[k] = []byte(v)
	}
	r := s.conn.ExecParams(ctx, sql, values, nil, nil, nil)
	for r.NextRow() {
		if err := take(r.Values()); err != nil {
			return err
		}
	}
	if _, err := r.Close(); err != nil {
		return s.p.fault(ctx, err)
	}
	return nil
}

// fields describes what a statement gives.
func (s *pgSession) fields(ctx context.Context, sql string) ([]pgconn.FieldDescription, error) {
	d, err := s.conn.Prepare(ctx, "", sql, nil)
	if err != nil {
		return nil, s.p.fault(ctx, err)
	}
	return d.Fields, nil
}
