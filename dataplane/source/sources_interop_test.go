//go:build interop

package source_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// servers are a real server of each kind, with an empty log each.
type servers struct {
	postgres *pgServer
	kafka    *kafkaServer
	s3       *s3Server
	log      attemptLog
}

// The reference that names the database's URL to the product.
const logURL = "COHORT_INTEROP_POSTGRES"

func startServers(t *testing.T, log attemptLog) *servers {
	t.Helper()
	s := &servers{startPostgres(t), startKafka(t), startS3(t), log}
	pgExec(t, pgConnect(t, s.postgres.url("postgres")), logTable)
	connect(t, []string{s.kafka.plain}).create(t, "log", 4)
	t.Setenv(logURL, s.postgres.url("postgres"))
	return s
}

// add appends attempts to the three logs. Kafka's are dealt to its partitions,
// and stand in none's order of time.
func (s *servers) add(t *testing.T, from, to int) {
	t.Helper()
	s.log.copy(t, pgConnect(t, s.postgres.url("postgres")), from, to)
	s.kafka.fill(t, "log", 4, to-from, func(k int) []byte { return s.log.json(from + k) })
	s.s3.load(t, "log", to-from, func(k int) lakeRow { return s.log.row(from + k) })
}

// specs are the logs as the product is told of them.
func (s *servers) specs() map[string]wire.SourceSpec {
	return map[string]wire.SourceSpec{
		"postgres": {Kind: "postgres", Postgres: wire.PostgresSpec{URL: "env:" + logURL, Table: "log"}},
		"kafka":    {Kind: "kafka", Kafka: wire.KafkaSpec{Brokers: []string{s.kafka.plain}, Topics: []string{"log"}}},
		"lake":     {Kind: "lake", Lake: wire.LakeSpec{URL: s.s3.url("lake", "log"), Pattern: "day=*/*.parquet"}},
	}
}

// sections are the same in job files.
func (s *servers) sections() map[string]string {
	return map[string]string{
		"postgres": postgresSource("env:" + logURL), "kafka": kafkaSource(s.kafka, "log"), "lake": lakeSource(s.s3.url("lake", "log")),
	}
}

// TestInteropSourcesGiveTheSameShards loads the same events into a server of
// each kind and a file, and prints how fast they come.
func TestInteropSourcesGiveTheSameShards(t *testing.T) {
	n := interopEvents(t)
	s := startServers(t, attemptLog{20_011})
	s.add(t, 0, n)
	file := filepath.Join(t.TempDir(), "log.csv")
	if err := os.WriteFile(file, s.log.csv(0, n), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lake", "kafka", "postgres"} {
		readRate(t, name, s.specs()[name], n)
	}
	p := startProduct(t)
	want := p.extract(p.pipeline("csv", csvSource(file)))
	report := func(name string, e extracted) {
		t.Helper()
		t.Logf("%-8s extract stage: %d events in %v, %.0f events/s (load %.1f)", name, e.Events, e.took, float64(e.Events)/e.took.Seconds(), load(t))
		if e.Events != int64(n) || e.Read != int64(n) || e.Dataset != want.Dataset || e.Shards != want.Shards {
			t.Errorf("%s: %+v, want %d events as of the CSV: %+v", name, e, n, want)
		}
	}
	report("csv", want)
	for name, section := range s.sections() {
		report(name, p.extract(p.pipeline(name, section)))
	}
}

// readRate prints how fast events of a source are read, masked and collected,
// and what of it this process takes: the rest is the server's, or waiting.
func readRate(t *testing.T, name string, spec wire.SourceSpec, n int) {
	t.Helper()
	src, err := source.Open(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close() //nolint:errcheck // nothing is written to it
	events, used, start := lake.NewEvents(), cpu(t), time.Now()
	plan, _, err := src.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	planned := time.Since(start)
	r := &source.Reader{Mapper: source.NewMapper(logColumns(), source.NewMasker([]byte("key")), source.Bounds{}), Emit: events.Add}
	if err := src.Read(t.Context(), plan, r); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	used = cpu(t) - used
	t.Logf("%-8s read: %d events in %v (%v of it the plan), %.0f events/s; this process %.2f cores, %.2f µs an event (load %.1f)",
		name, n, took.Round(time.Millisecond), planned.Round(time.Millisecond), float64(n)/took.Seconds(),
		used.Seconds()/took.Seconds(), float64(used.Microseconds())/float64(n), load(t))
	if events.Len() != n {
		t.Errorf("%s: %d events, want %d", name, events.Len(), n)
	}
}

// TestInteropASecondRunReadsOnlyWhatIsNew runs whole pipelines over each server:
// again with nothing new, and with a day more.
func TestInteropASecondRunReadsOnlyWhatIsNew(t *testing.T) {
	s := startServers(t, attemptLog{997})
	before, after := s.log.day(2), s.log.day(3)
	s.add(t, 0, before)
	p := startProduct(t)
	weights := func(job string) string { return p.await(job, "train").Outputs["weights"] }
	for name, section := range s.sections() {
		file := p.pipeline(name, section)
		job := p.submit(file)
		p.ends(job)
		if e := p.finish(job); e.Read != int64(before) {
			t.Errorf("%s: %d rows read, want %d", name, e.Read, before)
		}
		start := time.Now()
		if _, err := p.Command(t.Context(), "job", "run", "-o", "json", file); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		t.Logf("%-8s with nothing new: %v (load %.1f)", name, took.Round(time.Millisecond), load(t))
		again := p.last(name)
		for _, stage := range again.Stages {
			if stage.Reused == "" {
				t.Errorf("%s: with nothing new, stage %s is run", name, stage.Name)
			}
		}
		if bound := time.Duration(max(1, load(t)/2) * 2 * float64(time.Second)); took > bound { // others may be at work on two cores
			t.Errorf("%s: a run with nothing new takes %v, more than %v", name, took, bound)
		}
	}
	s.add(t, before, after)
	for name := range s.sections() {
		file := filepath.Join(p.Dir, name+".yaml")
		job := p.submit(file)
		p.ends(job)
		more := p.finish(job)
		fresh := p.submit(file, "--set", "fresh=true")
		p.ends(fresh)
		full := p.finish(fresh)
		t.Logf("%-8s with a day more: %d of %d rows read", name, more.Read, full.Read)
		if more.Read != int64(after-before) || full.Read != int64(after) {
			t.Errorf("%s: with a day of %d more, %d rows are read of %d", name, after-before, more.Read, full.Read)
		}
		if more.Dataset != full.Dataset || more.Shards != full.Shards || weights(job) != weights(fresh) {
			t.Errorf("%s: by increments %+v, in full %+v", name, more, full)
		}
	}
}

// last is the newest run of a pipeline.
func (p *product) last(name string) wire.JobView {
	p.t.Helper()
	all, err := p.api.History(p.t.Context(), name, 1)
	if err != nil || len(all) != 1 {
		p.t.Fatalf("%v: %v", err, all)
	}
	return p.view(all[0].ID)
}
