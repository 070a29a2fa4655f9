//go:build interop

package source_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/source"
)

func TestInteropKafka(t *testing.T) {
	server := startKafka(t)
	for name, test := range map[string]func(*testing.T, *kafkaServer){
		"transactions": kafkaTransactions, "retention": kafkaRetention, "anew": kafkaAnew, "compaction": kafkaCompaction, "login": kafkaLogins, "tls": kafkaTLS,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

// kafkaTransactions holds increments against a full read, over committed and
// aborted transactions on several partitions, some at the tail.
func kafkaTransactions(t *testing.T, server *kafkaServer) {
	b := connect(t, []string{server.plain})
	b.create(t, "tx", 3)
	s := b.open(t, "tx")
	x := connect(t, b.brokers, kgo.TransactionalID("tx"))
	var last json.RawMessage
	var parts, want []dataplane.Event
	n := 0
	for round := range 12 {
		partition, values := int32(round%3), attempts(n, n+50)
		switch round % 4 {
		case 0:
			b.send(t, "tx", partition, values...)
			want = append(want, answers(n, n+50)...)
		case 1, 2:
			x.transact(t, "tx", partition, kgo.TryCommit, values...)
			want = append(want, answers(n, n+50)...)
		case 3:
			x.transact(t, "tx", partition, kgo.TryAbort, values...)
		}
		n += 50
		b.settle(t, "tx")
		last = plan(t, s, last)
		parts = append(parts, readPlan(t, s, last).events...)
	}
	// An open transaction hides itself and what follows it on its partition.
	if err := x.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	x.send(t, "tx", 0, attempts(n, n+10)...)
	b.send(t, "tx", 0, attempts(n+10, n+20)...)
	if p, more, err := s.Plan(t.Context(), last); more || err != nil || string(p) != string(last) {
		t.Errorf("an open transaction is new: %v", err)
	}
	if err := x.client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	b.settle(t, "tx")
	want = append(want, answers(n+10, n+20)...)
	parts = append(parts, readPlan(t, s, plan(t, s, last)).events...)
	full := readPlan(t, s, plan(t, s, nil)).events
	for _, all := range [][]dataplane.Event{want, parts, full} {
		slices.SortFunc(all, dataplane.Compare)
	}
	if d := cmp.Diff(want, parts); d != "" {
		t.Error("increments: " + d)
	}
	if d := cmp.Diff(want, full); d != "" {
		t.Error("full: " + d)
	}
}

// settle waits until a topic has no open transaction: brokers write the marks
// that end one after its producer is told so.
func (b *broker) settle(t testing.TB, topic string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		stable, err := b.admin.ListCommittedOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		ends, err := b.admin.ListEndOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		same := true
		ends.Each(func(end kadm.ListedOffset) {
			o, _ := stable.Lookup(topic, end.Partition)
			same = same && o.Offset == end.Offset
		})
		if same {
			return
		}
	}
	t.Fatal("a transaction stays open")
}

func kafkaRetention(t *testing.T, server *kafkaServer) {
	b := connect(t, []string{server.plain})
	b.create(t, "old", 2)
	s := b.open(t, "old")
	b.send(t, "old", 1, attempts(0, 10)...)
	first := plan(t, s, nil)
	b.retain(t, "old", 1, 5)
	var k taken
	refused(t, s.Read(t.Context(), first, k.reader(kafkaColumns())), "kafka old/1", "offset 0 is wanted", "retention has deleted those below 5")
	b.retain(t, "old", 1, 10)
	if p, more, err := s.Plan(t.Context(), first); more || err != nil || string(p) != string(first) {
		t.Errorf("what was read may go: %v, %v", more, err)
	}
	b.send(t, "old", 1, attempts(10, 20)...)
	if d := cmp.Diff(answers(10, 20), readPlan(t, s, plan(t, s, first)).events); d != "" {
		t.Error(d)
	}
	b.retain(t, "old", 1, 15)
	_, _, err := s.Plan(t.Context(), first)
	refused(t, err, "kafka old/1", "offset 10 is wanted", "below 15")

	// While it is read.
	b.create(t, "going", 1)
	b.sendMuch(t, "going", 0)
	s = b.open(t, "going")
	r := k.reader(kafkaColumns())
	r.Emit = func(dataplane.Event) error {
		if r.Stats.Kept == 1 {
			b.retain(t, "going", 0, much-1)
		}
		return nil
	}
	refused(t, s.Read(t.Context(), plan(t, s, nil), r), "kafka going/0", "is wanted", fmt.Sprint("below ", much-1))
}

func kafkaAnew(t *testing.T, server *kafkaServer) {
	b := connect(t, []string{server.plain})
	s := b.open(t, "anew")
	_, _, err := s.Plan(t.Context(), nil)
	refused(t, err, "kafka anew", "no such topic")
	b.create(t, "anew", 1)
	b.send(t, "anew", 0, attempts(0, 3)...)
	first := plan(t, s, nil)
	if _, err := b.admin.DeleteTopics(t.Context(), "anew"); err != nil {
		t.Fatal(err)
	}
	again := connect(t, b.brokers)
	again.create(t, "anew", 1)
	again.send(t, "anew", 0, attempts(5, 10)...)
	_, _, err = s.Plan(t.Context(), first)
	refused(t, err, "kafka anew/0", "made anew")
	var k taken
	refused(t, s.Read(t.Context(), first, k.reader(kafkaColumns())), "kafka anew/0", "made anew")
}

// kafkaCompaction reads a plan again when part of it is compacted away.
func kafkaCompaction(t *testing.T, server *kafkaServer) {
	b := connect(t, []string{server.plain})
	config := map[string]*string{}
	for key, value := range map[string]string{
		"cleanup.policy": "compact", "delete.retention.ms": "0", "min.cleanable.dirty.ratio": "0", "segment.ms": "100", "max.compaction.lag.ms": "100",
	} {
		config[key] = &value
	}
	if _, err := b.admin.CreateTopic(t.Context(), 1, 1, config, "compact"); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		b.produce(t, &kgo.Record{Topic: "compact", Key: []byte(fmt.Sprint("k", n%2)), Value: []byte(attempt(n))})
	}
	b.produce(t, &kgo.Record{Topic: "compact", Key: []byte("k1")})
	s := source.Limit(b.open(t, "compact"), 5*time.Second)
	p := plan(t, s, nil)
	// Rows that are superseded go when the cleaner comes by, and then the mark of a
	// deleted one, which the plan ends with.
	deadline := time.Now().Add(time.Minute)
	for n := 100; ; n++ {
		b.produce(t, &kgo.Record{Topic: "compact", Key: []byte("other"), Value: []byte(attempt(n))})
		got := readPlan(t, s, p)
		if len(got.stats.Dropped) == 0 {
			if want := answered(18); !slices.Contains(got.events, want) || slices.Contains(got.events, answered(19)) {
				t.Errorf("the last of a key is gone, or a deleted one is there: %+v", got.events)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the mark is there after a minute")
		}
	}
}

func kafkaLogins(t *testing.T, server *kafkaServer) {
	b := connect(t, []string{server.plain})
	b.create(t, "login", 1)
	b.send(t, "login", 0, attempts(0, 3)...)
	t.Setenv("COHORT_TEST_USER", kafkaUser)
	t.Setenv("COHORT_TEST_PASSWORD", kafkaPassword)
	wrong := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(wrong, []byte("wrong sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		spec := wire.KafkaSpec{Brokers: []string{server.sasl}, Topics: []string{"login"}, SASL: wire.SASLSpec{
			Mechanism: mechanism, User: "env:COHORT_TEST_USER", Password: "env:COHORT_TEST_PASSWORD",
		}}
		s := openKafka(t, spec)
		if d := cmp.Diff(answers(0, 3), readPlan(t, s, plan(t, s, nil)).events); d != "" {
			t.Errorf("%s: %s", mechanism, d)
		}
		spec.SASL.Password = "file:" + wrong
		start := time.Now()
		_, _, err := openKafka(t, spec).Plan(t.Context(), nil)
		refused(t, err, "kafka: login refused (SASL)")
		if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), kafkaUser) || time.Since(start) > 20*time.Second {
			t.Errorf("%s: %v after %v", mechanism, err, time.Since(start))
		}
		spec.SASL = wire.SASLSpec{}
		_, _, err = source.Limit(openKafka(t, spec), 3*time.Second).Plan(t.Context(), nil)
		says(t, err, "kafka: ", "login")
	}
}

func kafkaTLS(t *testing.T, server *kafkaServer) {
	b := connect(t, []string{server.plain})
	b.create(t, "tls", 1)
	b.send(t, "tls", 0, attempts(0, 3)...)
	spec := wire.KafkaSpec{Brokers: []string{server.tls}, Topics: []string{"tls"}, TLS: wire.TLSSpec{
		Enabled: true, CA: server.id.ca, Cert: server.id.cert, Key: server.id.key, ServerName: "localhost",
	}}
	s := openKafka(t, spec)
	if d := cmp.Diff(answers(0, 3), readPlan(t, s, plan(t, s, nil)).events); d != "" {
		t.Error(d)
	}
	fails := func(change func(*wire.KafkaSpec), want string) {
		t.Helper()
		other := spec
		change(&other)
		_, _, err := source.Limit(openKafka(t, other), 3*time.Second).Plan(t.Context(), nil)
		says(t, err, "kafka: ", want)
	}
	fails(func(s *wire.KafkaSpec) { s.TLS.CA = newIdentity(t).ca }, "TLS failed: the broker's certificate is signed by none")
	fails(func(s *wire.KafkaSpec) { s.TLS.Cert, s.TLS.Key = "", "" }, "TLS failed: the broker refuses")
	fails(func(s *wire.KafkaSpec) { s.TLS.ServerName = "" }, "TLS failed: the broker's certificate is for another host")
	fails(func(s *wire.KafkaSpec) { s.TLS = wire.TLSSpec{} }, "TLS failed: the broker wants it")
	fails(func(s *wire.KafkaSpec) { s.Brokers = []string{server.plain} }, "TLS")
}

// TestInteropKafkaRate measures how fast events are read, mapped and masked,
// and how many cores that and the broker take.
func TestInteropKafkaRate(t *testing.T) {
	n := interopEvents(t)
	server := startKafka(t)
	start := time.Now()
	server.load(t, "rate", 4, n, func(k int) []byte { return []byte(attempt(k)) })
	t.Logf("loaded %d events at %.0f a second", n, float64(n)/time.Since(start).Seconds())
	s := openKafka(t, wire.KafkaSpec{Brokers: []string{server.plain}, Topics: []string{"rate"}})
	p := plan(t, s, nil)
	var k taken
	r := k.reader(kafkaColumns())
	r.Emit = func(dataplane.Event) error { return nil }
	before := cpu(t)
	start = time.Now()
	if err := s.Read(t.Context(), p, r); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if r.Stats.Kept != int64(n) {
		t.Errorf("%+v", r.Stats)
	}
	used := cpu(t) - before
	t.Logf("read %d events at %.0f a second; the reader used %.2f cores, %.2f µs an event", n, float64(n)/took.Seconds(),
		used.Seconds()/took.Seconds(), used.Seconds()/float64(n)*1e6)
}

// cpu is what this process has used.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
