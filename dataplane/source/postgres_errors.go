package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Errors of the library name host, user and database, and may hold a row: none
// is wrapped or repeated. The server's own text is repeated only where it
// speaks of the statement.

// unreachable puts into words why there is no connection. Only what no retry
// helps is an *InputError.
func (p *postgres) unreachable(ctx context.Context, err error) error {
	var server *pgconn.PgError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &server):
		return p.refused(server)
	}
	return fmt.Errorf("%s: the server can't be reached: %s", p.urlName(), pgReason(err))
}

// refused puts into words what the server has against a login.
func (p *postgres) refused(e *pgconn.PgError) error {
	text, class := pgOutages()[e.Code], pgClass(e)
	if text != "" {
		return fmt.Errorf("%s: %s (SQLSTATE %s)", p.urlName(), text, e.Code)
	}
	switch {
	case e.Code == "28P01":
		text = "the password is wrong"
	case class == "28":
		text = "the login is refused"
	case e.Code == "3D000":
		text = "there is no such database"
	case e.Code == "42501":
		text = "the user may not connect to the database"
	case class == "42", class == "22":
		text = "the URL sets something that the server refuses"
	default:
		return fmt.Errorf("%s: the server refuses the connection (SQLSTATE %s)", p.urlName(), e.Code)
	}
	return &InputError{File: p.urlName(), Text: fmt.Sprintf("%s (SQLSTATE %s)", text, e.Code)}
}

// pgClass is the first two letters of the fault's code.
func pgClass(e *pgconn.PgError) string { return e.Code[:min(2, len(e.Code))] }

// pgReason is a connection's fault without its address.
func pgReason(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	var cert *tls.CertificateVerificationError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was cut"
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.EACCES):
		return "no socket there that this worker may use"
	case errors.As(err, &dns):
		return "its host name is not known"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &cert), errors.As(err, &host), errors.As(err, &record):
		return "its TLS certificate does not stand up to sslmode"
	}
	return "no connection, or none that sslmode allows"
}

// fault puts a statement's error into words.
func (p *postgres) fault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return fmt.Errorf("%s: the connection was lost", p.urlName())
	}
	if text := pgOutages()[server.Code]; text != "" {
		return fmt.Errorf("%s: %s (SQLSTATE %s)", p.urlName(), text, server.Code)
	}
	return p.statementFault(server)
}

// statementFault tells a wrong statement, which stays wrong, from the rest.
func (p *postgres) statementFault(e *pgconn.PgError) error {
	text, class := "", pgClass(e)
	switch {
	case e.Code == "42501":
		text = "the user may not read it"
	case e.Code == "25006":
		text = "the query would write: only reading is allowed"
	case e.Code == "42883":
		text = "a type has no such function or order: " + e.Message
	case slices.Contains([]string{"42", "3F", "0A"}, class):
		text = "the statement is wrong: " + e.Message
	case class == "21", class == "22", class == "2F":
		text = "the query fails on its data" // which the message may hold
	default:
		return fmt.Errorf("%s: the server reports a fault (SQLSTATE %s)", p.urlName(), e.Code)
	}
	return &InputError{File: p.name(), Text: fmt.Sprintf("%s (SQLSTATE %s)", text, e.Code)}
}

// pgOutages are worth another try.
func pgOutages() map[string]string {
	return map[string]string{
		"57P01": "the server shuts down", "57P02": "the server has crashed", "57P03": "the server starts up or shuts down",
		"57P04": "the database was dropped", "57P05": "the session was idle for too long",
		"57014": "a statement was cancelled, by a time limit or a person",
		"55P03": "another session holds a lock on the table",
		"40001": "the standby had to cancel the statement", "40P01": "a deadlock",
		"53300": "the server has too many connections", "53100": "the server's disk is full", "53200": "the server is out of memory",
		"25P03": "the transaction was idle for too long", "25P04": "the transaction took too long",
	}
}
