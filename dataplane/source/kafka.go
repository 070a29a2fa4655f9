package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	saslplain "github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"cohort/coordinator/wire"
)

// kafka is a Source of topics whose values are JSON objects.
//
// What it guarantees: a plan covers, of every partition, the offsets from where
// the last plan ended to the last stable offset, so that no transaction is open
// in it and none that commits later is ever skipped. Reading takes each record
// of these offsets once, but for those of aborted transactions, and gives them by
// topic, partition and offset, so that every attempt hands on the same rows in
// the same order. It ends when the position of every partition has passed the
// plan's end, which the brokers' answers prove; it never takes silence for the
// end. Offsets that retention has deleted, and topics that were made anew, are an
// *InputError. A topic that is compacted loses records by itself: what a plan of
// it reads is what is left of them.
type kafka struct {
	client   *kgo.Client
	admin    *kadm.Client
	topics   []string // in order
	login    bool     // connections begin with one
	patience time.Duration

	unpack kgo.Decompressor

	mu      sync.Mutex
	known   map[string]topicMeta // as was heard last
	refused error                // of the last connection that could not be made
}

// topicMeta is what brokers say about a topic.
type topicMeta struct {
	id      [16]byte        // zero where they are too old to give one
	leaders map[int32]int32 // broker by partition; −1 is none
}

// name is the id in hex; empty is none.
func (t topicMeta) name() string {
	if t.id == [16]byte{} {
		return ""
	}
	return hex.EncodeToString(t.id[:])
}

// patience is how long brokers may be silent.
const patience = 15 * time.Second

// OpenKafka opens topics as a Source. It connects to nothing yet.
func OpenKafka(s wire.KafkaSpec) (Source, error) {
	k := &kafka{
		topics:   slices.Compact(slices.Sorted(slices.Values(s.Topics))),
		patience: patience, unpack: kgo.DefaultDecompressor(), known: map[string]topicMeta{},
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(s.Brokers...),
		kgo.ClientID("cohort"),
		kgo.DialTimeout(5 * time.Second),
		kgo.RetryTimeout(patience),
		kgo.MetadataMinAge(10 * time.Millisecond), // a plan is to see what is there now
		kgo.WithHooks(k),
	}
	if s.TLS.Enabled {
		config, err := kafkaTLS(s.TLS)
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	if s.SASL.Mechanism != "" {
		login, err := kafkaLogin(s.SASL)
		if err != nil {
			return nil, err
		}
		k.login, options = true, append(options, kgo.SASL(login))
	}
	var err error
	if k.client, err = kgo.NewClient(options...); err != nil {
		return nil, &InputError{File: "kafka", Text: err.Error()}
	}
	k.admin = kadm.NewClient(k.client)
	return k, nil
}

// Close implements Source.
func (k *kafka) Close() error {
	k.client.Close()
	return nil
}

// OnBrokerConnect keeps why a connection could not be made: the client tries
// again by itself, and says only that its time is up.
func (k *kafka) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refused != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return // the attempt that was under way when the time was up tells nothing
	}
	k.refused = err
}

// learn keeps what topics are like.
func (k *kafka) learn(topics map[string]topicMeta) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.Copy(k.known, topics)
}

// forget makes a topic be asked for again.
func (k *kafka) forget(topic string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, topic)
}

// leader is the broker that leads a partition, by what was heard last, and the
// id of its topic.
func (k *kafka) leader(ctx context.Context, s span) (*kgo.Broker, [16]byte, error) {
	k.mu.Lock()
	t, ok := k.known[s.topic]
	k.mu.Unlock()
	if !ok {
		topics, err := k.metadata(ctx, []string{s.topic})
		if err != nil {
			return nil, t.id, err
		}
		t = topics[s.topic]
	}
	leader, ok := t.leaders[s.Partition]
	if !ok || leader < 0 {
		return nil, t.id, kerr.LeaderNotAvailable
	}
	return k.client.Broker(int(leader)), t.id, nil
}

func kafkaTLS(s wire.TLSSpec) (*tls.Config, error) {
	fault := func(key string, err any) error {
		return &InputError{File: "source.kafka.tls." + key, Text: fmt.Sprint(err)}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.ServerName}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fault("ca", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault("ca", s.CA+" holds no certificate in PEM")
		}
	}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fault("cert", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func kafkaLogin(s wire.SASLSpec) (sasl.Mechanism, error) {
	user, err := resolveSecret(s.User)
	if err != nil {
		return nil, &InputError{File: "source.kafka.sasl.user", Text: err.Error()}
	}
	password, err := resolveSecret(s.Password)
	if err != nil {
		return nil, &InputError{File: "source.kafka.sasl.password", Text: err.Error()}
	}
	switch s.Mechanism {
	case "plain":
		return saslplain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, &InputError{
		File: "source.kafka.sasl.mechanism",
		Text: fmt.Sprintf("%q is not known; known: plain, scram-sha-256, scram-sha-512", cmp.Or(s.Mechanism, "none")),
	}
}
