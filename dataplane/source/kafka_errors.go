package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// explain puts what the client says into one line, without addresses or names
// of users. What no retry helps becomes an *InputError.
func (k *kafka) explain(err error) error {
	var input *InputError
	if errors.As(err, &input) || errors.Is(err, context.Canceled) {
		return err
	}
	var shards *kadm.ShardErrors
	if errors.As(err, &shards) && len(shards.Errs) > 0 {
		err = shards.Errs[0].Err
	}
	var broker *kerr.Error
	if errors.As(err, &broker) {
		return refusal(broker)
	}
	if reason := badConnection(err); reason != nil {
		return reason
	}
	k.mu.Lock()
	refused := k.refused
	k.mu.Unlock()
	if refused != nil {
		if errors.As(refused, &broker) {
			return refusal(broker)
		}
		if reason := badConnection(refused); reason != nil {
			return reason
		}
		if err = refused; k.login && errors.Is(err, io.EOF) {
			return errors.New("kafka: the broker hangs up at the login: it may not like source.kafka.sasl")
		}
	}
	return fmt.Errorf("kafka: no broker of source.kafka.brokers answers (%s)", silence(err))
}

// refusal is about what a broker said.
func refusal(err *kerr.Error) error {
	switch err.Code {
	case kerr.SaslAuthenticationFailed.Code:
		return &InputError{File: "kafka", Text: "login refused (SASL): source.kafka.sasl gives a wrong user or password"}
	case kerr.UnsupportedSaslMechanism.Code, kerr.IllegalSaslState.Code:
		return &InputError{File: "kafka", Text: "login refused (SASL): the brokers do not take source.kafka.sasl.mechanism"}
	case kerr.TopicAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code:
		return &InputError{File: "kafka", Text: "the login may not read a topic of source.kafka.topics (" + err.Message + ")"}
	}
	return fmt.Errorf("kafka: the broker says %w", err)
}

// badConnection is what is wrong with a connection that was made; nil is none of that.
func badConnection(err error) error {
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		host        x509.HostnameError
		remote      *net.OpError
		record      tls.RecordHeaderError
		first       *kgo.ErrFirstReadEOF
	)
	tlsFault := func(text string) error { return &InputError{File: "kafka", Text: "TLS failed: " + text} }
	switch {
	case errors.As(err, &host):
		return tlsFault("the broker's certificate is for another host; see source.kafka.tls.server_name")
	case errors.As(err, &authority):
		return tlsFault("the broker's certificate is signed by none of source.kafka.tls.ca")
	case errors.As(err, &certificate):
		return tlsFault(certificate.Err.Error())
	case errors.As(err, &remote) && remote.Op == "remote error": // so crypto/tls calls an alert
		return tlsFault("the broker refuses: " + remote.Err.Error())
	case errors.As(err, &record):
		return tlsFault("the broker does not speak TLS there")
	case strings.Contains(err.Error(), "tls alert record"): // the client has no type for these
		return tlsFault("the broker wants it; see source.kafka.tls.enabled")
	case strings.Contains(err.Error(), "HTTP response"):
		return &InputError{File: "kafka", Text: "a web server answers at source.kafka.brokers, not a broker"}
	case errors.As(err, &first):
		return errors.New("kafka: the broker hangs up at once: it may want TLS, none, or a login (source.kafka.tls, source.kafka.sasl)")
	}
	return nil
}

// silence is why nothing was heard, without addresses.
func silence(err error) string {
	var (
		system *os.SyscallError
		name   *net.DNSError
		netErr net.Error
	)
	switch {
	case errors.As(err, &system):
		return system.Err.Error()
	case errors.As(err, &name):
		return "no such host"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return "time is up"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "the connection was closed"
	}
	return "no connection"
}
