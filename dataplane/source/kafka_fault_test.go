package source_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cohort/dataplane"
	"cohort/dataplane/source"
)

// faulty is a broker of some nodes whose faults the test says.
func faulty(t *testing.T) (*kfake.Cluster, *broker, source.Source) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b := connect(t, c.ListenAddrs())
	b.create(t, "a", 2)
	b.send(t, "a", 0, attempts(0, 3)...)
	b.send(t, "a", 1, attempts(3, 6)...)
	return c, b, b.open(t, "a")
}

func TestKafkaFollowsLeaders(t *testing.T) {
	t.Parallel()
	c, b, s := faulty(t)
	b.sendMuch(t, "a", 1)
	p := plan(t, s, nil)
	for node := range int32(3) {
		var k taken
		r := k.reader(kafkaColumns())
		r.Emit = func(e dataplane.Event) error {
			if len(k.events) == 0 {
				for partition := range int32(2) {
					if err := c.MoveTopicPartition("a", partition, node); err != nil {
						return err
					}
				}
			}
			k.events = append(k.events, e)
			return nil
		}
		if err := s.Read(t.Context(), p, r); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(append(answers(0, 6), answers(0, much)...), k.events); d != "" {
			t.Errorf("node %d: %s", node, d)
		}
	}
}

func TestKafkaTriesFetchesAgain(t *testing.T) {
	t.Parallel()
	c, _, s := faulty(t)
	p := plan(t, s, nil)
	for _, fault := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicID, kerr.OffsetOutOfRange, kerr.UnknownServerError} {
		h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "a", Err: fault, Count: 2})
		if d := cmp.Diff(answers(0, 6), readPlan(t, s, p).events); d != "" || h.Hits() != 2 {
			t.Errorf("%v, %d times: %s", fault, h.Hits(), d)
		}
	}
}

func TestKafkaGivesUpOnBrokersThatGiveNothing(t *testing.T) {
	t.Parallel()
	c, _, s := faulty(t)
	p := plan(t, s, nil)
	h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "a", Err: kerr.NotLeaderForPartition, Count: -1})
	var k taken
	var input *source.InputError
	err := source.Limit(s, 2*time.Second).Read(t.Context(), p, k.reader(kafkaColumns()))
	if says(t, err, "a/0, offset 0", "NOT_LEADER"); errors.As(err, &input) {
		t.Errorf("%v is told to be final", err)
	}
	h.Remove()
	source.Limit(s, time.Minute)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "a", Err: kerr.TopicAuthorizationFailed, Count: -1})
	refused(t, s.Read(t.Context(), p, k.reader(kafkaColumns())), "may not read a topic of source.kafka.topics")
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "a", Err: kerr.TopicAuthorizationFailed, Count: -1})
	_, _, err = s.Plan(t.Context(), nil)
	refused(t, err, "may not read a topic of source.kafka.topics")
}

// An answer without records does not end a partition, whatever it says.
func TestKafkaTakesNoSilenceForTheEnd(t *testing.T) {
	t.Parallel()
	c, b, s := faulty(t)
	p := plan(t, s, nil)
	b.send(t, "a", 0, attempts(6, 7)...)
	left := 3
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // its order
		request, ok := r.(*kmsg.FetchRequest)
		if c.KeepControl(); !ok || left == 0 {
			return nil, nil, false
		}
		left--
		part := kmsg.NewFetchResponseTopicPartition()
		part.Partition, part.HighWatermark, part.LastStableOffset = request.Topics[0].Partitions[0].Partition, 9, 9
		topic := kmsg.NewFetchResponseTopic()
		topic.TopicID, topic.Partitions = request.Topics[0].TopicID, append(topic.Partitions, part)
		response := request.ResponseKind().(*kmsg.FetchResponse)
		response.Topics = append(response.Topics, topic)
		return response, nil, true
	})
	if d := cmp.Diff(answers(0, 6), readPlan(t, s, p).events); d != "" || left != 0 {
		t.Errorf("%d left: %s", left, d)
	}
}

func TestKafkaPassesGapsOfCompactedTopics(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b := connect(t, c.ListenAddrs())
	policy, at := "compact", "0"
	if _, err := b.admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": &policy, "delete.retention.ms": &at}, "a"); err != nil {
		t.Fatal(err)
	}
	keyed := func(key string, value []byte) { b.produce(t, &kgo.Record{Topic: "a", Key: []byte(key), Value: value}) }
	for n, key := range []string{"first", "x", "y", "x", "z"} {
		keyed(key, []byte(attempt(n)))
	}
	keyed("gone", nil)
	keyed("gone", nil)
	s := b.open(t, "a")
	p := plan(t, s, nil)
	if got := readPlan(t, s, p); got.stats.Rows != 7 || got.stats.Dropped[0].Rows != 2 {
		t.Errorf("%+v", got.stats)
	}
	// What follows the plan's end is in an open transaction: no committed record
	// shows that the end is reached.
	x := connect(t, b.brokers, kgo.TransactionalID("open"))
	if err := x.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	x.produce(t, &kgo.Record{Topic: "a", Key: []byte("w"), Value: []byte(attempt(9))})
	c.Compact()
	if got := readPlan(t, s, p); got.stats.Rows != 4 || len(got.events) != 4 {
		t.Errorf("%+v", got)
	}
	ends, err := b.admin.ListEndOffsets(t.Context(), "a")
	if o, ok := ends.Lookup("a", 0); err != nil || !ok || o != (kadm.ListedOffset{Topic: "a", Timestamp: -1, Offset: 8, LeaderEpoch: o.LeaderEpoch}) {
		t.Errorf("%+v, %v", ends, err)
	}
}
