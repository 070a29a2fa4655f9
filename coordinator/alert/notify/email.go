package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

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
	c, err := e.client()
	if err != nil {
		return err
	}
	return e.clean(c.DialAndSendWithContext(ctx, m))
}

func (e *email) client() (*mail.Client, error) {
	host, text, err := net.SplitHostPort(e.Server)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	options := []mail.Option{mail.WithPort(port), mail.WithTLSPolicy(mail.TLSMandatory)}
	switch {
	case e.NoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	case port == mail.DefaultPortSSL:
		options = append(options, mail.WithSSL())
	}
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
