package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"cohort/coordinator/alert"
	"cohort/coordinator/wire"
)

// email sends by SMTP. Without insecure the connection must be encrypted: by
// STARTTLS, or from the start on port 465.
type email struct{ wire.AlertReceiver }

func (e *email) Send(ctx context.Context, n alert.Notice) error {
	m := mail.NewMsg()
	if err := errors.Join(m.From(e.From), m.To(e.To...)); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	m.Subject("cohort: " + headline(n))
	m.SetDate()
	m.SetMessageIDWithValue(fmt.Sprintf("%s.%s.%d@cohort", n.Alert.ID, n.Kind, n.At))
	m.SetBodyString(mail.TypeTextPlain, strings.Join(lines(n), "\r\n")+"\r\n")
	line := &line{ctx: ctx, whole: strings.HasSuffix(e.Server, ":"+strconv.Itoa(mail.DefaultPortSSL))}
	defer line.hangUp()
	c, err := e.client(line)
	if err != nil {
		return err
	}
	return e.clean(c.DialAndSendWithContext(ctx, m))
}

// line is the connection of one mail. The library leaves it open after some errors,
// and waits for a mute server without regard to the context.
type line struct {
	ctx   context.Context //nolint:containedctx // of the one call
	whole bool            // encrypted from the start
	conn  net.Conn
	stop  func() bool
}

func (l *line) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	if l.whole {
		conn, err = (&tls.Dialer{}).DialContext(ctx, network, addr)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	if err == nil {
		l.conn = conn
		l.stop = context.AfterFunc(l.ctx, func() { _ = conn.SetDeadline(time.Now()) }) //nolint:contextcheck // the whole call's, not that of dialling
	}
	return conn, err
}

func (l *line) hangUp() {
	if l.conn != nil {
		l.stop()
		_ = l.conn.Close() // it may be closed already
	}
}

func (e *email) client(l *line) (*mail.Client, error) {
	host, text, err := net.SplitHostPort(e.Server)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	policy := mail.TLSMandatory
	if e.NoTLS || l.whole {
		policy = mail.NoTLS
	}
	options := []mail.Option{mail.WithPort(port), mail.WithTLSPolicy(policy), mail.WithDialContextFunc(l.dial)}
	if e.User != "" {
		password, err := secret(e.Secret)
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.User), mail.WithPassword(password))
	}
	c, err := mail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return c, nil
}

// clean takes the password out of an error, whoever put it there.
func (e *email) clean(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if password, secretErr := secret(e.Secret); secretErr == nil && password != "" {
		text = strings.ReplaceAll(text, password, "***")
	}
	return errors.New(strings.Join(strings.Fields(text), " "))
}
