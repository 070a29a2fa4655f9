//go:build interop

package source_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaServer is a real broker that lives as long as a test.
type kafkaServer struct {
	plain, sasl, tls string // HOST:PORT of the listeners; tls wants certificates of id
	id               identity
}

// The user of the listener sasl.
const kafkaUser, kafkaPassword = "reader", "open sesame"

// startKafka installs a broker if need be, and starts it on free ports.
func startKafka(t testing.TB) *kafkaServer {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../../.ci/interop/kafka/install").Output()
	if err != nil {
		t.Fatalf("install Kafka: %v\n%s", err, stderr(err))
	}
	jars := filepath.Join(strings.TrimSpace(string(out)), "*")
	s := &kafkaServer{plain: freeAddress(t), sasl: freeAddress(t), tls: freeAddress(t), id: newIdentity(t)}
	config := s.configure(t)
	format := exec.CommandContext(t.Context(), "java", "-XX:TieredStopAtLevel=1", "-cp", jars, "kafka.tools.StorageTool", "format",
		"-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", config,
		"--add-scram", fmt.Sprintf("SCRAM-SHA-256=[name=%s,password=%s]", kafkaUser, kafkaPassword),
		"--add-scram", fmt.Sprintf("SCRAM-SHA-512=[name=%s,password=%s]", kafkaUser, kafkaPassword))
	if out, err := format.CombinedOutput(); err != nil {
		t.Fatalf("format: %v\n%s", err, out)
	}
	// The shell ends the broker when its standard input ends: on stop, and when
	// the test dies.
	log, err := os.Create(filepath.Join(filepath.Dir(config), "kafka.log"))
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command("sh", "-c", `"$@" & cat; kill $!; wait`, "sh", //nolint:noctx // it ends by its input
		"java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", jars, "kafka.Kafka", config)
	server.Stdout, server.Stderr = log, log
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // the pipe closes
		_ = server.Wait()
		_ = log.Close()
	})
	s.await(t, log.Name())
	return s
}

func stderr(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // as os/exec gives it
		return exit.Stderr
	}
	return nil
}

// freeAddress was free a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nothing was sent
	return l.Addr().String()
}

func (s *kafkaServer) configure(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	controller := freeAddress(t)
	var pair []byte
	for _, file := range []string{s.id.key, s.id.cert} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pair = append(pair, b...)
	}
	keystore := filepath.Join(dir, "pair.pem")
	if err := os.WriteFile(keystore, pair, 0o600); err != nil {
		t.Fatal(err)
	}
	scram := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	lines := []string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@" + controller,
		"listeners=PLAIN://" + s.plain + ",SASL://" + s.sasl + ",TLS://" + s.tls + ",CONTROLLER://" + controller,
		"listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name=PLAIN", "controller.listener.names=CONTROLLER", "log.dirs=" + filepath.Join(dir, "data"),
		"offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1", "auto.create.topics.enable=false",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "transaction.state.log.num.partitions=1",
		"log.cleaner.backoff.ms=200", "log.cleaner.dedupe.buffer.size=2000000", "log.retention.check.interval.ms=1000",
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"listener.name.sasl.scram-sha-256.sasl.jaas.config=" + scram, "listener.name.sasl.scram-sha-512.sasl.jaas.config=" + scram,
		fmt.Sprintf("listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=%q;", kafkaUser, kafkaPassword),
		"listener.name.tls.ssl.keystore.type=PEM", "listener.name.tls.ssl.keystore.location=" + keystore,
		"listener.name.tls.ssl.truststore.type=PEM", "listener.name.tls.ssl.truststore.location=" + s.id.ca, "listener.name.tls.ssl.client.auth=required",
	}
	path := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// await waits until the broker answers.
func (s *kafkaServer) await(t testing.TB, log string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.plain))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	for tick := time.NewTicker(100 * time.Millisecond); client.Ping(ctx) != nil; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			out, err := os.ReadFile(log)
			t.Fatalf("no broker in two minutes: %v\n%s", err, out)
		}
	}
}

// load makes a topic and fills it.
func (s *kafkaServer) load(t testing.TB, topic string, partitions int32, n int, value func(k int) []byte) {
	t.Helper()
	connect(t, []string{s.plain}).create(t, topic, partitions)
	s.fill(t, topic, partitions, n, value)
}

// fill writes n records of value, dealt to the partitions of a topic in turn,
// as fast as one idempotent producer can.
func (s *kafkaServer) fill(t testing.TB, topic string, partitions int32, n int, value func(k int) []byte) {
	t.Helper()
	b := connect(t, []string{s.plain}, kgo.ProducerLinger(20*time.Millisecond), kgo.MaxBufferedRecords(100_000),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	var mu sync.Mutex
	var failed error
	for k := range n {
		r := &kgo.Record{Topic: topic, Partition: int32(k) % partitions, Value: value(k)}
		b.client.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	if err := b.client.Flush(t.Context()); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}
