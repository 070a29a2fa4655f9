package source_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"cohort/coordinator/wire"
	"cohort/dataplane/source"
)

// identity is a certificate authority of its own, and a certificate of
// localhost by it, as PEM files.
type identity struct{ ca, cert, key string }

func newIdentity(t testing.TB) identity {
	t.Helper()
	dir := t.TempDir()
	id := identity{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(path, kind string, der []byte) {
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	must(err)
	write(id.ca, "CERTIFICATE", der)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	must(err)
	write(id.cert, "CERTIFICATE", der)
	der, err = x509.MarshalPKCS8PrivateKey(key)
	must(err)
	write(id.key, "PRIVATE KEY", der)
	return id
}

// config is a server's, or a client's, that wants the other side to have a
// certificate of the same authority.
func (id identity) config(t testing.TB) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(id.cert, id.key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(id.ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		ServerName: "localhost", MinVersion: tls.VersionTLS12,
	}
}

// outage is what a plan says when it can't have its brokers, at best what is wanted:
// a machine with much to do may need more than a second to find out.
func outage(t *testing.T, spec wire.KafkaSpec, want string) (err error) {
	t.Helper()
	for _, patience := range []time.Duration{time.Second, 10 * time.Second} {
		start := time.Now()
		_, _, err = source.Limit(openKafka(t, spec), patience).Plan(t.Context(), nil)
		if took := time.Since(start); took > patience+9*time.Second {
			t.Errorf("it took %v", took)
		}
		if err == nil || strings.Contains(err.Error(), want) {
			break
		}
	}
	return err
}

func TestKafkaLogsInWithSecretsByReference(t *testing.T) {
	const secret = "open sesame"
	t.Setenv("COHORT_TEST_USER", "reader")
	t.Setenv("COHORT_TEST_PASSWORD", secret)
	wrong := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(wrong, []byte("wrong sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mechanism, kafka := range map[string]string{"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(kafka, "reader", secret),
				kfake.Superuser("SCRAM-SHA-256", "writer", "w"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			b := connect(t, c.ListenAddrs(), kgo.SASL(scram.Auth{User: "writer", Pass: "w"}.AsSha256Mechanism()))
			b.create(t, "a", 1)
			b.send(t, "a", 0, attempts(0, 3)...)
			spec := wire.KafkaSpec{Brokers: b.brokers, Topics: []string{"a"}, SASL: wire.SASLSpec{
				Mechanism: mechanism, User: "env:COHORT_TEST_USER", Password: "env:COHORT_TEST_PASSWORD",
			}}
			s := openKafka(t, spec)
			if d := cmp.Diff(answers(0, 3), readPlan(t, s, plan(t, s, nil)).events); d != "" {
				t.Error(d)
			}
			// Old brokers, and this one, hang up at a wrong password.
			spec.SASL.Password = "file:" + wrong
			says(t, outage(t, spec, "hangs up at the login"), "kafka: the broker hangs up at the login")
			c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // its order
				c.KeepControl()
				response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				response.ErrorCode, response.ErrorMessage = kerr.SaslAuthenticationFailed.Code, new("wrong sesame of reader")
				return response, nil, true
			})
			start := time.Now()
			_, _, err = openKafka(t, spec).Plan(t.Context(), nil)
			refused(t, err, "kafka: login refused (SASL)")
			if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "reader") || time.Since(start) > 10*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			spec.SASL = wire.SASLSpec{}
			says(t, outage(t, spec, "login"), "kafka: ", "login")
		})
	}
}

func TestKafkaNamesSecretsAndFilesThatAreMissing(t *testing.T) {
	t.Setenv("COHORT_TEST_USER", "reader")
	id := newIdentity(t)
	for name, c := range map[string]struct {
		spec wire.KafkaSpec
		want []string
	}{
		"user":      {wire.KafkaSpec{SASL: wire.SASLSpec{Mechanism: "plain", User: "env:COHORT_NO_SUCH"}}, []string{"source.kafka.sasl.user", "env:COHORT_NO_SUCH"}},
		"password":  {wire.KafkaSpec{SASL: wire.SASLSpec{Mechanism: "plain", User: "env:COHORT_TEST_USER", Password: "hunter2"}}, []string{"source.kafka.sasl.password", "never given itself"}},
		"mechanism": {wire.KafkaSpec{SASL: wire.SASLSpec{Mechanism: "md5", User: "env:COHORT_TEST_USER", Password: "file:" + id.ca}}, []string{"source.kafka.sasl.mechanism", `"md5"`}},
		"ca":        {wire.KafkaSpec{TLS: wire.TLSSpec{Enabled: true, CA: "/no/such.pem"}}, []string{"source.kafka.tls.ca", "/no/such.pem"}},
		"no-ca":     {wire.KafkaSpec{TLS: wire.TLSSpec{Enabled: true, CA: id.key}}, []string{"source.kafka.tls.ca", "no certificate"}},
		"pair":      {wire.KafkaSpec{TLS: wire.TLSSpec{Enabled: true, Cert: id.cert, Key: id.ca}}, []string{"source.kafka.tls.cert"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Brokers, c.spec.Topics = []string{"localhost:1"}, []string{"a"}
			_, err := source.OpenKafka(c.spec)
			refused(t, err, c.want...)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v gives a secret away", err)
			}
		})
	}
}

func TestKafkaOverTLS(t *testing.T) {
	t.Parallel()
	id, other := newIdentity(t), newIdentity(t)
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(id.config(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b := connect(t, c.ListenAddrs(), kgo.DialTLSConfig(id.config(t)))
	b.create(t, "a", 1)
	b.send(t, "a", 0, attempts(0, 3)...)
	mutual := wire.TLSSpec{Enabled: true, CA: id.ca, Cert: id.cert, Key: id.key, ServerName: "localhost"}
	s := openKafka(t, wire.KafkaSpec{Brokers: b.brokers, Topics: []string{"a"}, TLS: mutual})
	if d := cmp.Diff(answers(0, 3), readPlan(t, s, plan(t, s, nil)).events); d != "" {
		t.Error(d)
	}
	chat, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chat.Close() }) // it has nobody to tell
	go func() {
		for {
			c, err := chat.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 this is a mail server\r\n")) // the other side finds out
			_ = c.Close()
		}
	}()
	for name, c := range map[string]struct {
		brokers []string
		change  func(*wire.TLSSpec)
		want    string
		final   bool
	}{
		"authority": {b.brokers, func(s *wire.TLSSpec) { s.CA = other.ca }, "source.kafka.tls.ca", true},
		"host":      {b.brokers, func(s *wire.TLSSpec) { s.ServerName = "example.org" }, "source.kafka.tls.server_name", true},
		"anonymous": {b.brokers, func(s *wire.TLSSpec) { s.Cert, s.Key = "", "" }, "the broker refuses", true},
		"plain":     {b.brokers, func(s *wire.TLSSpec) { s.Enabled = false }, "it may want TLS", false},
		"no-tls":    {[]string{chat.Addr().String()}, func(*wire.TLSSpec) {}, "does not speak TLS", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := wire.KafkaSpec{Brokers: c.brokers, Topics: []string{"a"}, TLS: mutual}
			c.change(&spec.TLS)
			err := outage(t, spec, c.want)
			if says(t, err, "kafka: ", c.want); c.final {
				refused(t, err, "TLS failed")
			}
		})
	}
}

func TestKafkaOutagesAreWaitedForAndToldInOneLine(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() }) // it has nobody to tell
	for address, why := range map[string]string{"127.0.0.1:1": "connection refused", mute.Addr().String(): "time is up", "nowhere.invalid:9092": "no such host"} {
		err := outage(t, wire.KafkaSpec{Brokers: []string{address}, Topics: []string{"a"}}, why)
		if want := "kafka: no broker of source.kafka.brokers answers (" + why + ")"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
