//go:build interop

package source_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cohort/coordinator/wire"
)

// The kill test: so many kills hit an extraction of each source, in runs over a
// log that begins with so many events and grows meanwhile.
const (
	killsOfEach = 10
	killEvents  = 150_000
)

// TestInteropKilledExtractions kills the worker, the coordinator or both at
// random moments of extractions while writers go on, and holds what came of the
// increments against a full extraction that nobody disturbs.
func TestInteropKilledExtractions(t *testing.T) {
	seed := interopSeed(t)
	log := attemptLog{2003}
	for name, start := range map[string]func(*testing.T, attemptLog, uint64) (string, *writers){
		"postgres": postgresWriters, "kafka": kafkaWriters,
	} {
		t.Run(name, func(t *testing.T) {
			section, w := start(t, log, seed)
			k := &killer{product: startProduct(t), rnd: rand.New(rand.NewPCG(seed, 99)), span: time.Second}
			file := k.pipeline("killed", section)
			runs, began := 0, time.Now()
			for ; k.hits < killsOfEach; runs++ {
				k.run(file)
			}
			t.Logf("%d kills (worker %d, coordinator %d, both %d; %d more hit no extraction) in %d runs, %v",
				k.hits, k.of["w1"], k.of["c1"], k.of["c1 w1"], k.misses, runs, time.Since(began).Round(time.Second))
			rows, aborted := w.end()
			increments := k.extract(file)
			fresh := k.extract(file, "--set", "fresh=true")
			t.Logf("%d events were committed, %d called off; the last increment read %d", rows, aborted, increments.Read)
			if fresh.Read != rows || fresh.Events != rows || increments.Events != rows {
				t.Errorf("%d events by increments and %d in full, %d were committed", increments.Events, fresh.Events, rows)
			}
			if increments.Dataset != fresh.Dataset || increments.Shards != fresh.Shards {
				t.Errorf("by increments %+v, in full %+v", increments, fresh)
			}
			if aborted == 0 || increments.Read >= rows {
				t.Errorf("%d of %d rows read at the end, %d called off: the test tests nothing", increments.Read, rows, aborted)
			}
		})
	}
}

// killer runs extractions and kills the product's processes in their midst.
type killer struct {
	*product
	rnd          *rand.Rand
	span         time.Duration // that an extraction takes
	hits, misses int
	of           map[string]int
}

// run runs the pipeline to its shards, with two kills at most.
func (k *killer) run(file string) {
	k.t.Helper()
	job := k.submit(file)
	for range 2 {
		if !k.begins(job) {
			break
		}
		k.wait(time.Duration(k.rnd.Int64N(int64(k.span))))
		k.kill(job)
	}
	if e := k.finish(job); e.took > 0 {
		k.span = (k.span + min(e.took, 5*time.Second)) / 2
	}
	k.stop(job)
}

// begins waits until an attempt of the extraction runs; it may be over.
func (k *killer) begins(job string) bool {
	k.t.Helper()
	running := false
	var err error
	k.poll("the extraction begins", func() bool {
		j := k.view(job)
		if j.Status == wire.Failed || j.Status == wire.Stopped {
			k.t.Fatalf("%s %s: %s", job, j.Status, j.Reason)
		}
		s := stageOf(j, "extract")
		running = len(s.TaskList) == 1 && s.TaskList[0].Status == wire.Running
		return running || s.Status == wire.Done
	}, &err)
	return running
}

func (k *killer) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-k.t.Context().Done():
	}
}

// kill kills and starts again. It is a hit when the extraction had no result.
func (k *killer) kill(job string) {
	k.t.Helper()
	victims := [][]string{{"w1"}, {"w1"}, {"w1"}, {"c1"}, {"c1", "w1"}}[k.rnd.IntN(5)]
	if stageOf(k.view(job), "extract").Status == wire.Done {
		k.misses++
		return
	}
	for _, id := range victims {
		if err := k.Signal(id, syscall.SIGKILL); err != nil {
			k.t.Fatal(err)
		}
	}
	if err := k.Start(victims...); err != nil {
		k.t.Fatal(err)
	}
	if stageOf(k.view(job), "extract").Status == wire.Done {
		k.misses++
		return
	}
	if k.of == nil {
		k.of = map[string]int{}
	}
	k.hits++
	k.of[strings.Join(victims, " ")]++
}

// writers add events to a log, at their own pace, until they are told to end.
type writers struct {
	stop            context.CancelFunc
	settle          func() // waits until what was committed is to be seen; may be nil
	done            sync.WaitGroup
	rows, calledOff atomic.Int64
}

// end answers how many events were committed in all, and how many were not.
func (w *writers) end() (rows, calledOff int64) {
	w.stop()
	w.done.Wait()
	if w.settle != nil {
		w.settle()
	}
	return w.rows.Load(), w.calledOff.Load()
}

// start runs a writer: write adds events once, and answers how many it has
// committed and called off.
func (w *writers) start(ctx context.Context, t *testing.T, write func() (rows, calledOff int64, err error)) {
	w.done.Go(func() {
		for ctx.Err() == nil {
			rows, calledOff, err := write()
			if err != nil {
				t.Errorf("a writer: %v", err)
				return
			}
			w.rows.Add(rows)
			w.calledOff.Add(calledOff)
		}
	})
}

// postgresWriters have transactions whose ends come in another order than their
// beginnings, with savepoints and parts that are rolled back.
func postgresWriters(t *testing.T, log attemptLog, seed uint64) (section string, w *writers) {
	s := startPostgres(t)
	c := pgConnect(t, s.url("postgres"))
	pgExec(t, c, logTable)
	log.copy(t, c, 0, killEvents)
	t.Setenv(logURL, s.url("postgres"))
	w = &writers{}
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	w.rows.Add(killEvents)
	for k := range 4 {
		conn := pgConnect(t, s.url("postgres"))
		rnd := rand.New(rand.NewPCG(seed, uint64(k)))
		w.start(ctx, t, func() (int64, int64, error) {
			text, kept, left := bulkTransaction(rnd)
			_, err := conn.Exec(context.Background(), text).ReadAll()
			return kept, left, err
		})
	}
	t.Cleanup(func() { w.stop(); w.done.Wait() })
	return postgresSource("env:" + logURL), w
}

// bulkTransaction inserts rows in parts, some of which it rolls back, with
// pauses in between.
func bulkTransaction(rnd *rand.Rand) (text string, kept, left int64) {
	var b strings.Builder
	b.WriteString("BEGIN;")
	for range 1 + rnd.IntN(4) {
		n := int64(1 + rnd.IntN(40))
		insert := fmt.Sprintf(`INSERT INTO log ("user", item, skill, correct, at, ms) SELECT 'u' || k * %d %% 2003, 'i' || k, 's' || k %% 120, k %% 3 > 0, `+
			`timestamptz '2024-02-01Z' + k * interval '%d seconds', k FROM generate_series(1, %d) k;`, 1+rnd.IntN(2000), 1+rnd.IntN(1000), n)
		fmt.Fprintf(&b, "SELECT pg_sleep(%f);", rnd.Float64()/10)
		switch rnd.IntN(3) {
		case 0:
			b.WriteString("SAVEPOINT a;" + insert + "ROLLBACK TO a;")
			left += n
		case 1:
			b.WriteString("SAVEPOINT a;" + insert)
			kept += n
		case 2:
			b.WriteString(insert)
			kept += n
		}
	}
	if rnd.IntN(4) == 0 {
		return b.String() + "ROLLBACK", 0, kept + left
	}
	return b.String() + "COMMIT", kept, left
}

// kafkaWriters have transactions that are committed and aborted, beside a writer
// that has none.
func kafkaWriters(t *testing.T, log attemptLog, seed uint64) (section string, w *writers) {
	s := startKafka(t)
	s.load(t, "log", 4, killEvents, log.json)
	w = &writers{}
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	w.rows.Add(killEvents)
	var next atomic.Int64 // attempt
	next.Store(killEvents)
	for k := range 3 {
		rnd := rand.New(rand.NewPCG(seed, uint64(k)))
		var options []kgo.Opt
		if k > 0 {
			options = append(options, kgo.TransactionalID(fmt.Sprint("writer-", k)))
		}
		b := connect(t, []string{s.plain}, options...)
		w.start(ctx, t, func() (int64, int64, error) {
			n := 1 + rnd.IntN(100)
			var records []*kgo.Record
			for range n {
				records = append(records, &kgo.Record{Topic: "log", Partition: int32(rnd.IntN(4)), Value: log.json(int(next.Add(1)) - 1)})
			}
			return b.write(ctx, records, k > 0, rnd)
		})
	}
	t.Cleanup(func() { w.stop(); w.done.Wait() })
	b := connect(t, []string{s.plain})
	w.settle = func() { b.settle(t, "log") }
	return kafkaSource(s, "log"), w
}

// write sends records, in a transaction that a third of the time is aborted, or
// in none. A pause is part of it.
func (b *broker) write(ctx context.Context, records []*kgo.Record, transact bool, rnd *rand.Rand) (kept, left int64, err error) {
	all := context.Background() // what is begun is ended
	if transact {
		if err := b.client.BeginTransaction(); err != nil {
			return 0, 0, err
		}
	}
	if err := b.client.ProduceSync(all, records...).FirstErr(); err != nil {
		return 0, 0, err
	}
	select {
	case <-time.After(time.Duration(rnd.IntN(100)) * time.Millisecond):
	case <-ctx.Done():
	}
	n := int64(len(records))
	switch {
	case !transact:
		return n, 0, nil
	case rnd.IntN(3) == 0:
		return 0, n, b.client.EndTransaction(all, kgo.TryAbort)
	}
	return n, 0, b.client.EndTransaction(all, kgo.TryCommit)
}
