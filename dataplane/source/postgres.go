package source

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cohort/coordinator/wire"
)

// postgres extracts from a table, or a query, of a PostgreSQL server (14 or
// newer). Rows are taken by the transaction that wrote them (pgTaken), so that
// an increment misses no late commit; what is extracted must be a log that only
// grows. Plan and Read each use a connection of their own and one read-only
// transaction of it, so that all they see is one snapshot.
type postgres struct {
	spec   wire.PostgresSpec
	config *pgconn.Config
}

var _ Source = (*postgres)(nil)

const (
	pgConnectTime = 10 * time.Second // of each address of the server
	pgBatch       = 20_000           // rows of a key range
	pgMaxRanges   = 2_000            // of a plan; more rows make ranges longer
	pgKey         = "id"
)

// OpenPostgres reads the URL that s names; the server is connected to by Plan
// and Read.
func OpenPostgres(_ context.Context, s wire.PostgresSpec) (Source, error) {
	if (s.Table == "") == (s.Query == "") {
		return nil, &InputError{File: "source.postgres", Text: "give either table or query"}
	}
	if s.Batch < 0 {
		return nil, &InputError{File: "source.postgres.batch", Text: fmt.Sprintf("%d is no number of rows", s.Batch)}
	}
	if s.Batch == 0 {
		s.Batch = pgBatch
	}
	if s.Key == "" {
		s.Key = pgKey
	}
	url, err := resolveSecret(s.URL)
	if err != nil {
		return nil, &InputError{File: "source.postgres.url", Text: err.Error()}
	}
	p := &postgres{spec: s}
	if p.config, err = pgconn.ParseConfig(url); err != nil {
		return nil, &InputError{File: p.urlName(), Text: "it is no URL of a PostgreSQL server: want postgres://USER:PASSWORD@HOST:PORT/DATABASE"}
	}
	p.config.RuntimeParams["application_name"] = "cohort"
	p.config.DialFunc = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext // a server that vanished is noticed in minutes
	if p.config.ConnectTimeout == 0 || p.config.ConnectTimeout > pgConnectTime {
		p.config.ConnectTimeout = pgConnectTime
	}
	return p, nil
}

// urlName names the URL without giving it.
func (p *postgres) urlName() string { return fmt.Sprintf("source.postgres.url (%s)", p.spec.URL) }

// name is what rows come from, for a person.
func (p *postgres) name() string {
	if p.spec.Table != "" {
		return p.spec.Table
	}
	return "source.postgres.query"
}

// Close does nothing: Plan and Read close their connections.
func (p *postgres) Close() error { return nil }

// Plan implements Source. It reads the table twice at most: once for counts and
// transactions, once, bounded to what is new, for key ranges.
func (p *postgres) Plan(ctx context.Context, last json.RawMessage) (json.RawMessage, bool, error) {
	before, err := decodePgPlan(last)
	if err != nil {
		return nil, false, &InputError{File: p.name(), Text: err.Error()}
	}
	s, err := p.connect(ctx)
	if err != nil {
		return nil, false, err
	}
	defer s.close(ctx)
	t, err := s.target(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := s.continues(t, before); err != nil {
		return nil, false, err
	}
	sum, err := s.summary(ctx, t, before)
	if err != nil {
		return nil, false, err
	}
	if sum.rows == sum.oldRows {
		return last, false, nil
	}
	plan := s.plan(t, sum, before)
	if err := s.ranges(ctx, t, sum, plan); err != nil {
		return nil, false, err
	}
	raw, err := json.Marshal(plan)
	return raw, err == nil, err
}
