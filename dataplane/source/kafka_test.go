package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

func kafkaColumns() wire.Columns {
	return wire.Columns{Student: "user.id", Item: "item", Skill: "skill", Correct: wire.Correct{Column: "right"}, Time: "at", ID: "id", Elapsed: "ms"}
}

// attempt is answer n as a topic has it.
func attempt(n int) string {
	return fmt.Sprintf(`{"id":%d,"user":{"id":"u%d"},"item":"i%d","skill":"k%d","right":%t,"at":%d.5,"ms":%d}`, n, n%7, n%11, n%5, n%3 > 0, n, n*10)
}

// answered is attempt n as an event.
func answered(n int) dataplane.Event {
	return dataplane.Event{
		Student: source.NewMasker([]byte("key")).Mask(fmt.Sprintf("u%d", n%7)), Time: int64(n)*1_000_000 + 500_000, ID: fmt.Sprint(n),
		Item: fmt.Sprintf("i%d", n%11), Skill: fmt.Sprintf("k%d", n%5), Correct: n%3 > 0, Elapsed: int64(n) * 10,
	}
}

// broker is a Kafka that tests write to.
type broker struct {
	brokers []string
	client  *kgo.Client
	admin   *kadm.Client
}

func newBroker(t testing.TB, options ...kfake.Opt) *broker {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(2)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return connect(t, c.ListenAddrs())
}

// connect writes where the record says.
func connect(t testing.TB, brokers []string, options ...kgo.Opt) *broker {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.UnknownTopicRetries(-1),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &broker{brokers, client, kadm.NewClient(client)}
}

func (b *broker) create(t testing.TB, topic string, partitions int32) {
	t.Helper()
	if _, err := b.admin.CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

func (b *broker) send(t testing.TB, topic string, partition int32, values ...string) {
	t.Helper()
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)})
	}
	b.produce(t, records...)
}

// much is how many attempts are more than is read ahead, when they are padded.
const much = 2000

func (b *broker) sendMuch(t testing.TB, topic string, partition int32) {
	t.Helper()
	var values []string
	for _, v := range attempts(0, much) {
		values = append(values, fmt.Sprintf(`{"pad":%q,%s`, strings.Repeat("x", 8000), v[1:]))
	}
	for chunk := range slices.Chunk(values, 100) {
		b.send(t, topic, partition, chunk...)
	}
}

func (b *broker) produce(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	if err := b.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// transact sends values in one transaction.
func (b *broker) transact(t testing.TB, topic string, partition int32, commit kgo.TransactionEndTry, values ...string) {
	t.Helper()
	if err := b.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	b.send(t, topic, partition, values...)
	if err := b.client.EndTransaction(t.Context(), commit); err != nil {
		t.Fatal(err)
	}
}

// retain deletes the records of a partition below an offset.
func (b *broker) retain(t testing.TB, topic string, partition int32, offset int64) {
	t.Helper()
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset})
	if r, err := b.admin.DeleteRecords(t.Context(), o); err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
}

func (b *broker) open(t testing.TB, topics ...string) source.Source {
	t.Helper()
	return openKafka(t, wire.KafkaSpec{Brokers: b.brokers, Topics: topics})
}

func openKafka(t testing.TB, s wire.KafkaSpec) source.Source {
	t.Helper()
	k, err := source.OpenKafka(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// plan wants something new.
func plan(t testing.TB, s source.Source, last json.RawMessage) json.RawMessage {
	t.Helper()
	p, more, err := s.Plan(t.Context(), last)
	if err != nil || !more {
		t.Fatalf("more is %v, %v", more, err)
	}
	return p
}

// taken is what a read gave.
type taken struct {
	events  []dataplane.Event
	rejects []lake.Reject
	stats   source.Stats
}

func (k *taken) reader(c wire.Columns) *source.Reader {
	return &source.Reader{
		Mapper: source.NewMapper(c, source.NewMasker([]byte("key")), source.Bounds{}),
		Emit:   func(e dataplane.Event) error { k.events = append(k.events, e); return nil },
		Reject: func(r lake.Reject) error { k.rejects = append(k.rejects, r); return nil },
	}
}

func readPlan(t testing.TB, s source.Source, p json.RawMessage) taken {
	t.Helper()
	var k taken
	r := k.reader(kafkaColumns())
	if err := s.Read(t.Context(), p, r); err != nil {
		t.Fatal(err)
	}
	k.stats = r.Stats
	return k
}

// attempts are those of the numbers.
func attempts(from, to int) (all []string) {
	for n := from; n < to; n++ {
		all = append(all, attempt(n))
	}
	return all
}

func answers(from, to int) (all []dataplane.Event) {
	for n := from; n < to; n++ {
		all = append(all, answered(n))
	}
	return all
}

// refused wants an *InputError that says all of want.
func refused(t testing.TB, err error, want ...string) {
	t.Helper()
	var fault *source.InputError
	if !errors.As(err, &fault) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v is no input error of one line", err)
	}
	says(t, err, want...)
}

func says(t testing.TB, err error, want ...string) {
	t.Helper()
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v does not say %q", err, w)
		}
	}
}

func TestKafkaPlansFollowEachOther(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.create(t, "a", 2)
	s := b.open(t, "b", "a", "b")
	_, _, err := s.Plan(t.Context(), nil)
	refused(t, err, "kafka b", "no such topic", `did you mean "a"`)
	b.create(t, "b", 1)

	p, more, err := s.Plan(t.Context(), nil)
	if p != nil || more || err != nil {
		t.Fatalf("of nothing: %s, %v, %v", p, more, err)
	}
	b.send(t, "a", 1, attempts(0, 3)...)
	first := plan(t, s, nil)
	again := plan(t, s, nil)
	if d := cmp.Diff(string(first), string(again)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(answers(0, 3), readPlan(t, s, first).events); d != "" {
		t.Error(d)
	}
	p, more, err = s.Plan(t.Context(), first)
	if string(p) != string(first) || more || err != nil {
		t.Errorf("nothing new: %s, %v, %v", p, more, err)
	}

	// More of a known partition, a new partition, another topic.
	b.send(t, "a", 1, attempts(3, 5)...)
	if _, err := b.admin.CreatePartitions(t.Context(), 1, "a"); err != nil {
		t.Fatal(err)
	}
	connect(t, b.brokers).send(t, "a", 2, attempts(5, 6)...)
	b.send(t, "b", 0, attempts(6, 9)...)
	second := plan(t, s, first)
	if d := cmp.Diff(answers(3, 9), readPlan(t, s, second).events); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(answers(0, 3), readPlan(t, s, first).events); d != "" {
		t.Error("an old plan reads something else: " + d)
	}

	// A topic that is not asked for any more keeps its place.
	b.send(t, "b", 0, attempts(9, 10)...)
	b.send(t, "a", 0, attempts(10, 11)...)
	third := plan(t, b.open(t, "a"), second)
	if d := cmp.Diff(answers(10, 11), readPlan(t, s, third).events); d != "" {
		t.Error(d)
	}
	fourth := plan(t, b.open(t, "b"), third)
	if d := cmp.Diff(answers(9, 10), readPlan(t, s, fourth).events); d != "" {
		t.Error(d)
	}
	if a, b := strings.Index(string(fourth), `"a"`), strings.Index(string(fourth), `"b"`); a < 0 || a > b {
		t.Errorf("topics are not in order: %s", fourth)
	}
}

func TestKafkaPlansHoldPositionsAlone(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.create(t, "a", 2)
	b.send(t, "a", 0, attempts(0, 2)...)
	var got struct {
		Topics []struct {
			Topic      string
			ID         string
			Partitions []map[string]int
		}
	}
	if err := json.Unmarshal(plan(t, b.open(t, "a"), nil), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]int{{"partition": 0, "start": 0, "end": 2}, {"partition": 1, "start": 0, "end": 0}}
	if d := cmp.Diff(want, got.Topics[0].Partitions); d != "" || got.Topics[0].Topic != "a" || len(got.Topics[0].ID) != 32 {
		t.Errorf("%+v: %s", got, d)
	}
}

func TestKafkaTransactionsCountOnceCommitted(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.create(t, "a", 1)
	s := b.open(t, "a")
	x := connect(t, b.brokers, kgo.TransactionalID("x"))
	x.transact(t, "a", 0, kgo.TryAbort, attempts(100, 103)...)
	// Aborted answers alone are something to read, once.
	p := plan(t, s, nil)
	if got := readPlan(t, s, p); len(got.events) != 0 || got.stats.Rows != 0 {
		t.Errorf("aborted: %+v", got)
	}
	x.transact(t, "a", 0, kgo.TryCommit, attempts(0, 3)...)
	x.transact(t, "a", 0, kgo.TryAbort, attempts(103, 105)...)
	b.send(t, "a", 0, attempts(3, 4)...)

	// One that is open hides what follows it.
	if err := x.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	x.send(t, "a", 0, attempts(4, 6)...)
	b.send(t, "a", 0, attempts(6, 7)...)
	p = plan(t, s, p)
	if d := cmp.Diff(answers(0, 4), readPlan(t, s, p).events); d != "" {
		t.Error(d)
	}
	if _, more, err := s.Plan(t.Context(), p); more || err != nil {
		t.Errorf("an open transaction is new: %v", err)
	}
	if err := x.client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	x.transact(t, "a", 0, kgo.TryAbort, attempts(105, 107)...)
	if d := cmp.Diff(answers(4, 7), readPlan(t, s, plan(t, s, p)).events); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(answers(0, 7), readPlan(t, s, plan(t, s, nil)).events); d != "" {
		t.Error("full: " + d)
	}
}

func TestKafkaNamesWhatRetentionTook(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.create(t, "a", 2)
	s := b.open(t, "a")
	b.send(t, "a", 0, attempts(0, 4)...)
	b.send(t, "a", 1, attempts(4, 8)...)
	first := plan(t, s, nil)
	b.retain(t, "a", 1, 1)
	var k taken
	err := s.Read(t.Context(), first, k.reader(kafkaColumns()))
	refused(t, err, "kafka a/1", "offset 0 is wanted", "retention has deleted those below 1")
	if len(k.events) != 0 {
		t.Errorf("%d events before the fault was seen", len(k.events))
	}
	// What was read already may go.
	b.retain(t, "a", 1, 4)
	b.send(t, "a", 1, attempts(8, 11)...)
	second := plan(t, s, first)
	if d := cmp.Diff(answers(8, 11), readPlan(t, s, second).events); d != "" {
		t.Error(d)
	}
	b.retain(t, "a", 1, 6)
	_, _, err = s.Plan(t.Context(), first)
	refused(t, err, "kafka a/1", "offset 4 is wanted", "below 6")
	if d := cmp.Diff(append(answers(0, 4), answers(10, 11)...), readPlan(t, s, plan(t, s, nil)).events); d != "" {
		t.Error("from the log's start: " + d)
	}
}

func TestKafkaNamesWhatRetentionTakesDuringRead(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.create(t, "a", 1)
	s := b.open(t, "a")
	b.sendMuch(t, "a", 0)
	var k taken
	r := k.reader(kafkaColumns())
	r.Emit = func(dataplane.Event) error {
		if r.Stats.Kept == 1 {
			b.retain(t, "a", 0, much-1)
		}
		return nil
	}
	refused(t, s.Read(t.Context(), plan(t, s, nil), r), "kafka a/0", "is wanted", fmt.Sprint("below ", much-1))
}

func TestKafkaNamesATopicMadeAnew(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.create(t, "a", 2)
	s := b.open(t, "a")
	b.send(t, "a", 1, attempts(0, 4)...)
	first := plan(t, s, nil)
	if _, err := b.admin.DeleteTopics(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	var k taken
	refused(t, s.Read(t.Context(), first, k.reader(kafkaColumns())), "kafka a", "no such topic")
	b.create(t, "a", 2)
	connect(t, b.brokers).send(t, "a", 1, attempts(10, 20)...) // more than before: offsets alone do not tell
	_, _, err := s.Plan(t.Context(), first)
	refused(t, err, "kafka a/", "made anew")
	refused(t, s.Read(t.Context(), first, k.reader(kafkaColumns())), "kafka a/1", "made anew")
	if len(k.events) != 0 {
		t.Errorf("%d events of another topic", len(k.events))
	}

	// Without ids the offsets tell what they can.
	old := json.RawMessage(`{"topics":[{"topic":"a","partitions":[{"partition":1,"start":4,"end":11}]}]}`)
	_, _, err = s.Plan(t.Context(), old)
	refused(t, err, "kafka a/1", "offsets up to 11 are wanted", "ends at 10")
	refused(t, s.Read(t.Context(), old, k.reader(kafkaColumns())), "kafka a/1", "offsets up to 11 are wanted", "ends at 10")
	old = json.RawMessage(`{"topics":[{"topic":"a","partitions":[{"partition":2,"start":4,"end":11}]}]}`)
	_, _, err = s.Plan(t.Context(), old)
	refused(t, err, "kafka a/2", "the partition is gone")
	refused(t, s.Read(t.Context(), old, k.reader(kafkaColumns())), "kafka a/2", "the partition is gone")
	old = json.RawMessage(`{"topics":[{"topic":"a","partitions":[{"partition":1,"start":4,"end":9}]}]}`)
	if d := cmp.Diff(answers(14, 19), readPlan(t, s, old).events); d != "" {
		t.Error(d)
	}
}

func TestKafkaRefusesADamagedPlan(t *testing.T) {
	t.Parallel()
	s := openKafka(t, wire.KafkaSpec{Brokers: []string{"localhost:1"}, Topics: []string{"a"}})
	for _, p := range []string{
		`{`, `{"topics":[{"topic":"a","id":"xyz"}]}`, `{"topics":[{"topic":"a","id":"abcd"}]}`,
		`{"topics":[{"topic":"a","partitions":[{"partition":0,"start":3,"end":2}]}]}`,
	} {
		var k taken
		refused(t, s.Read(t.Context(), json.RawMessage(p), k.reader(kafkaColumns())), "the plan is damaged")
		_, _, err := s.Plan(t.Context(), json.RawMessage(p))
		refused(t, err, "the plan is damaged")
	}
}

func TestKafkaRejectsWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	b := newBroker(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "4194304"}))
	b = connect(t, b.brokers, kgo.ProducerBatchMaxBytes(4<<20))
	b.create(t, "a", 1)
	s := b.open(t, "a")
	b.send(t, "a", 0, attempt(0), `{"id":1,"user":{"id":"u1"},"skil":"k","right":true,"at":1}`, "no JSON", `[1]`, "{\"a\":\"\xff\"}",
		`{"id":1,"user":{"id":"u1"},"skill":{"id":3},"right":true,"at":1}`, `{"id":1,"user":{"id":null},"skill":"k","right":true,"at":1}`,
		`{"x":"`+strings.Repeat("x", dataplane.MaxLine)+`"}`, `{"user":{"id":1},"skill":null,"right":0,"at":1}`)
	b.produce(t, &kgo.Record{Topic: "a", Key: []byte("k")}, &kgo.Record{Topic: "a", Value: []byte(attempt(1))})
	p := plan(t, s, nil)
	got := readPlan(t, s, p)
	want := taken{
		events: answers(0, 2),
		rejects: []lake.Reject{
			{At: "a/0, offset 1", Column: "skill", Reason: `no field "skill"; did you mean "skil"?`},
			{At: "a/0, offset 2", Reason: "the value is not JSON: no value at byte 0"},
			{At: "a/0, offset 3", Reason: "the value is not a JSON object"},
			{At: "a/0, offset 4", Reason: "the value is not UTF-8"},
			{At: "a/0, offset 5", Column: "skill", Reason: "holds an object or a list, not one value"},
			{At: "a/0, offset 6", Column: "user.id", Reason: "the student is empty"},
			{At: "a/0, offset 7", Reason: "the value has 1048584 bytes, more than 1048576"},
		},
		stats: source.Stats{Rows: 11, Kept: 2, Rejected: 7, Dropped: []source.Drop{{Reason: "skill is empty", Rows: 1}, {Reason: "tombstone", Rows: 1}}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(taken{})); d != "" {
		t.Error(d)
	}
	// With nowhere to put it, the first one ends the read.
	var k taken
	r := k.reader(kafkaColumns())
	r.Reject = nil
	refused(t, s.Read(t.Context(), p, r), `a/0, offset 1, column "skill"`, "did you mean")
}

func TestKafkaIncrementsEqualOneFullRead(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	x := connect(t, b.brokers, kgo.TransactionalID("increments"))
	topics := 0
	rapid.Check(t, func(r *rapid.T) {
		topics++
		topic, partitions := fmt.Sprint("increments-", topics), rapid.Int32Range(1, 4).Draw(r, "partitions")
		b.create(t, topic, partitions)
		s := b.open(t, topic)
		var last json.RawMessage
		var parts, want []dataplane.Event
		extract := func() {
			p, more, err := s.Plan(t.Context(), last)
			if err != nil {
				r.Fatal(err)
			}
			if more {
				parts = append(parts, readPlan(t, s, p).events...)
			} else if string(p) != string(last) {
				r.Fatal("nothing new, but another plan")
			}
			last = p
		}
		n := 0
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			size, to := rapid.IntRange(1, 5).Draw(r, "size"), rapid.Int32Range(0, partitions-1).Draw(r, "partition")
			switch values := attempts(n, n+size); rapid.SampledFrom([]string{"send", "commit", "abort", "extract"}).Draw(r, "step") {
			case "send":
				b.send(t, topic, to, values...)
				want = append(want, answers(n, n+size)...)
			case "commit":
				x.transact(t, topic, to, kgo.TryCommit, values...)
				want = append(want, answers(n, n+size)...)
			case "abort":
				x.transact(t, topic, to, kgo.TryAbort, values...)
			case "extract":
				extract()
			}
			n += size
		}
		extract()
		var full []dataplane.Event
		if p, more, err := s.Plan(t.Context(), nil); err != nil {
			r.Fatal(err)
		} else if more {
			full = readPlan(t, s, p).events
		}
		for _, all := range [][]dataplane.Event{parts, full, want} {
			slices.SortFunc(all, dataplane.Compare)
		}
		if d := cmp.Diff(want, parts); d != "" {
			r.Error("increments: " + d)
		}
		if d := cmp.Diff(want, full); d != "" {
			r.Error("full: " + d)
		}
	})
}

func TestKafkaReadsInOrderAndStops(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.create(t, "a", 9)
	for k := range 9 {
		b.send(t, "a", int32(k), attempts(k*10, (k+1)*10)...)
	}
	s := b.open(t, "a")
	p := plan(t, s, nil)
	if d := cmp.Diff(answers(0, 90), readPlan(t, s, p).events); d != "" {
		t.Error(d)
	}
	stop := errors.New("stop")
	var k taken
	r := k.reader(kafkaColumns())
	r.Emit = func(dataplane.Event) error { return stop }
	if err := s.Read(t.Context(), p, r); !errors.Is(err, stop) {
		t.Error(err)
	}
	// A read that is called off is not whole, even where nobody looks at its rows.
	b.create(t, "much", 1)
	b.sendMuch(t, "much", 0)
	all := b.open(t, "much")
	part := plan(t, all, nil)
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		r.Emit = func(dataplane.Event) error { cancel(); return nil }
		if err := all.Read(ctx, part, r); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Read(ctx, p, k.reader(kafkaColumns())); !errors.Is(err, context.Canceled) || len(k.events) != 0 {
		t.Errorf("%v, %d events", err, len(k.events))
	}
}
