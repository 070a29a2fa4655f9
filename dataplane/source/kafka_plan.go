package source

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaPlan says what offsets to read. Topics and partitions are in order, so
// that the same offsets have the same bytes.
type kafkaPlan struct {
	Topics []kafkaTopic `json:"topics"`
}

type kafkaTopic struct {
	Topic      string `json:"topic"`
	ID         string `json:"id,omitempty"` // the broker's, 32 hex digits; empty where it gives none
	Partitions []span `json:"partitions"`
}

// span is the offsets of a partition that a plan covers, start ≤ offset < end.
type span struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`

	topic, id string
}

func (s span) holds() bool { return s.Start < s.End }

// place names a partition for a person.
func (s span) place() string { return fmt.Sprintf("%s/%d", s.topic, s.Partition) }

func (s span) fault(format string, args ...any) error {
	return &InputError{File: "kafka " + s.place(), Text: fmt.Sprintf(format, args...)}
}

func parseKafkaPlan(raw json.RawMessage) (p kafkaPlan, err error) {
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, &InputError{File: "kafka", Text: fmt.Sprintf("the plan is damaged: %v", err)}
	}
	for _, t := range p.Topics {
		if id, err := hex.DecodeString(t.ID); err != nil || len(id) != 0 && len(id) != len(topicMeta{}.id) {
			return p, &InputError{File: "kafka", Text: fmt.Sprintf("the plan is damaged: topic id %q", t.ID)}
		}
		for k := range t.Partitions {
			s := &t.Partitions[k]
			if s.topic, s.id = t.Topic, t.ID; s.Start < 0 || s.End < s.Start {
				return p, s.fault("the plan is damaged: offsets %d to %d", s.Start, s.End)
			}
		}
	}
	return p, nil
}

// spans are all partitions of a plan, those with nothing to read too.
func (p kafkaPlan) spans() (all []span) {
	for _, t := range p.Topics {
		all = append(all, t.Partitions...)
	}
	return all
}

// Plan implements Source.
func (k *kafka) Plan(ctx context.Context, last json.RawMessage) (json.RawMessage, bool, error) {
	var before kafkaPlan
	if last != nil {
		var err error
		if before, err = parseKafkaPlan(last); err != nil {
			return nil, false, err
		}
	}
	now, err := k.offsets(ctx, k.topics)
	if err != nil {
		return nil, false, err
	}
	next, more, err := nextKafkaPlan(before, now)
	if err != nil || !more {
		return last, false, err
	}
	raw, err := json.Marshal(next)
	return raw, true, err
}

// nextKafkaPlan goes on where before ended. What before covers of topics that now
// does not have stays in the plan, with nothing to read.
func nextKafkaPlan(before kafkaPlan, now []kafkaTopic) (next kafkaPlan, more bool, err error) {
	done := map[string][]span{}
	for _, t := range before.Topics {
		done[t.Topic] = t.Partitions
	}
	for _, t := range now {
		if err := goOn(t.Partitions, done[t.Topic]); err != nil {
			return next, false, err
		}
		more = more || slices.ContainsFunc(t.Partitions, span.holds)
		delete(done, t.Topic)
		next.Topics = append(next.Topics, t)
	}
	for _, t := range before.Topics {
		if _, left := done[t.Topic]; left {
			t.Partitions = slices.Clone(t.Partitions)
			for k, s := range t.Partitions {
				t.Partitions[k].Start = s.End
			}
			next.Topics = append(next.Topics, t)
		}
	}
	slices.SortFunc(next.Topics, func(a, b kafkaTopic) int { return cmp.Compare(a.Topic, b.Topic) })
	return next, more, nil
}

// goOn makes now, the partitions of a topic as they are, start where done ended.
func goOn(now, done []span) error {
	for _, d := range done {
		at, ok := slices.BinarySearchFunc(now, d, func(a, b span) int { return cmp.Compare(a.Partition, b.Partition) })
		if !ok {
			return d.fault("the partition is gone: its topic was made anew since offset %d was planned", d.End)
		}
		d.Start = d.End
		if err := covers(now[at], d); err != nil {
			return err
		}
		now[at].Start = d.End
	}
	return nil
}

// covers says why the offsets that want names cannot be read where has is there.
func covers(has, want span) error {
	switch {
	case has.id != "" && want.id != "" && has.id != want.id:
		return want.fault("the topic was deleted and made anew since offset %d was planned; its offsets mean other rows now", want.End)
	case want.Start < has.Start:
		return want.fault("offset %d is wanted, but retention has deleted those below %d", want.Start, has.Start)
	case want.End > has.End:
		return want.fault("offsets up to %d are wanted, but the partition ends at %d now: its topic was made anew, or rows were lost", want.End, has.End)
	}
	return nil
}

// offsets are what topics hold now: per partition, from the log's start to the
// last stable offset.
func (k *kafka) offsets(ctx context.Context, topics []string) ([]kafkaTopic, error) {
	ctx, stop := context.WithTimeout(ctx, k.patience)
	defer stop()
	metas, err := k.metadata(ctx, topics)
	if err != nil {
		return nil, err
	}
	start, err := k.admin.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, k.explain(err)
	}
	// The end after the start, so that it never lies before it.
	end, err := k.admin.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return nil, k.explain(err)
	}
	var all []kafkaTopic
	for _, topic := range topics {
		t := kafkaTopic{Topic: topic, ID: metas[topic].name()}
		for _, partition := range slices.Sorted(maps.Keys(metas[topic].leaders)) {
			s := span{Partition: partition, topic: topic, id: t.ID}
			if s.Start, err = offset(start, s); err != nil {
				return nil, err
			}
			if s.End, err = offset(end, s); err != nil {
				return nil, err
			}
			t.Partitions = append(t.Partitions, s)
		}
		all = append(all, t)
	}
	return all, nil
}

func offset(listed kadm.ListedOffsets, s span) (int64, error) {
	o, ok := listed.Lookup(s.topic, s.Partition)
	switch {
	case !ok:
		return 0, fmt.Errorf("kafka %s: the brokers give no offset", s.place())
	case o.Err != nil:
		return 0, fmt.Errorf("kafka %s: %w", s.place(), o.Err)
	}
	return o.Offset, nil
}

// metadata asks for topics, which must be there, and keeps what it hears.
func (k *kafka) metadata(ctx context.Context, topics []string) (map[string]topicMeta, error) {
	request := kmsg.NewPtrMetadataRequest() // kadm's would come out of a cache
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topic
		request.Topics = append(request.Topics, t)
	}
	answer, err := request.RequestWith(ctx, k.client)
	if err != nil {
		return nil, k.explain(err)
	}
	all := map[string]topicMeta{}
	for _, t := range answer.Topics {
		if t.Topic == nil {
			continue
		}
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.InvalidTopicException):
			return nil, k.noTopic(ctx, *t.Topic)
		case err != nil:
			return nil, k.explain(err)
		}
		leaders := map[int32]int32{}
		for _, p := range t.Partitions {
			leaders[p.Partition] = p.Leader
		}
		all[*t.Topic] = topicMeta{t.TopicID, leaders}
	}
	k.learn(all)
	return all, nil
}

// noTopic names the topic that was meant, if the login may see it.
func (k *kafka) noTopic(ctx context.Context, topic string) error {
	text := "there is no such topic"
	if all, err := k.admin.ListTopics(ctx); err == nil {
		if near := nearest(topic, all.Names()); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		}
	}
	return &InputError{File: "kafka " + strings.ToValidUTF8(topic, "?"), Text: text}
}
