package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cohort/bench"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dkt/checkpoint"
	"cohort/dkt/infer"
	"cohort/kernels/cpu"
)

// students send the attempts of a scenario.
const students = 40

// acknowledged are the answers to attempts, by the attempt's id; one that was sent
// twice has several.
type acknowledged struct {
	mu  sync.Mutex // guards below
	all map[string][]wire.AttemptsReply
}

func (a *acknowledged) put(id string, r wire.AttemptsReply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[id] = append(a.all[id], r)
}

// send sends the kth attempt of a traffic, each tenth a second time, as a client
// does that has not heard the answer. With stubborn it goes on until it is answered.
func (s *site) send(name string, acks *acknowledged, stubborn bool) func(ctx context.Context, k int) error {
	return func(ctx context.Context, k int) error {
		r := rand.New(rand.NewPCG(12, uint64(k)))
		id := fmt.Sprintf("%s-%d", name, k)
		path := fmt.Sprintf("/v1/students/student-%d/attempts", k%students)
		body := fmt.Sprintf(`{"id": %q, "skill": "%d", "correct": %t}`, id, 1+r.IntN(skills), r.IntN(10) < 7)
		for again := k%10 == 0; ; again = false {
			var reply wire.AttemptsReply
			_, err := s.client.Post(ctx, path, body, &reply)
			if err != nil && stubborn && ctx.Err() == nil {
				pause(ctx, 50*time.Millisecond)
				continue
			}
			if err != nil {
				return err
			}
			if reply.Accepted != 1 || reply.Model == nil || len(reply.P) != skills || reply.Next == nil {
				return fmt.Errorf("attempt %s: %+v", id, reply)
			}
			acks.put(id, reply)
			if !again {
				return nil
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Versions come and go back, one of them by itself since it predicts badly, under
// attempts; then the coordinator is killed. No attempt fails, none is lost or counts
// twice, and each answer is what the model that gave it says of the log.
func TestAttemptsAreAnsweredAsAReplaySays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes for about a minute: make cover and make chaos run it")
	}
	s := newSite(t)
	s.train(1, gatesOpen, "correct")
	s.do("deploy", "start", served+"@1", "-q", "--p99", "0s", "--calibration", "0")
	s.train(2, gatesOpen, "correct")
	s.train(3, gatesOpen, `{column: correct, right: "0", wrong: "1"}`) // it takes right for wrong
	acks := &acknowledged{all: map[string][]wire.AttemptsReply{}}
	second := int(rate(t))

	traffic := bench.StartTraffic(s.ctx, rate(t), 0, s.send("calm", acks, false))
	s.more(traffic, second)
	s.do("deploy", "start", served+"@2", "-q")
	s.await(live(2))
	s.more(traffic, second)
	s.unfailing(traffic, "blue-green under attempts")
	s.do("deploy", "rollback", served)
	s.await(backOn(1))
	s.more(traffic, second)
	s.unfailing(traffic, "rollback under attempts")
	s.badlyCalibrated()
	traffic.Stop()
	s.unfailing(traffic, "rollback for bad calibration")

	stubborn := bench.StartTraffic(s.ctx, rate(t), 0, s.send("killed", acks, true))
	s.more(stubborn, second)
	s.killCoordinator()
	s.more(stubborn, 2*second)
	f := stubborn.Stop()
	t.Logf("kill -9 of the coordinator under attempts: %s", f)
	if f.Failed > 0 {
		t.Errorf("%d attempts were never answered: %v", f.Failed, f.Faults)
	}
	s.replay(acks)
}

// badlyCalibrated starts the version that takes right for wrong, and waits for its end.
func (s *site) badlyCalibrated() {
	s.t.Helper()
	s.do("deploy", "start", served+"@3", "-d", "--calibration", "0.15", "--p99", "0s", "--for", boundFor.String())
	took, back := s.cameAndWent()
	s.t.Logf("rolled back by itself %v after it had come: %s", took, back.Reason)
	if !strings.Contains(back.Reason, "calibration") {
		s.t.Errorf("rolled back because: %s", back.Reason)
	}
}

func (s *site) killCoordinator() {
	s.t.Helper()
	start := time.Now()
	if err := s.Signal("c1", syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Start("c1"); err != nil {
		s.t.Fatal(err)
	}
	s.await(func(d wire.DeploymentView) bool { return backOn(1)(d) })
	s.t.Logf("the coordinator was back after %v", time.Since(start).Round(time.Millisecond))
}

// replay holds the log against what was acknowledged, and each answer against the model.
func (s *site) replay(acks *acknowledged) {
	s.t.Helper()
	api := client.New([]string{s.HTTP}, client.Options{Actor: "replay"})
	defer api.Close()
	log := s.log(api)
	places := map[string]int{} // of an attempt in its student's history
	histories := map[string][]wire.Attempt{}
	for _, a := range log {
		if _, twice := places[a.ID]; twice {
			s.t.Fatalf("attempt %s is in the log twice", a.ID)
		}
		places[a.ID] = len(histories[a.Student])
		histories[a.Student] = append(histories[a.Student], a)
	}
	models := map[int]*replayed{}
	compared, lost := 0, 0
	for _, id := range slices.Sorted(maps.Keys(acks.all)) {
		place, ok := places[id]
		if !ok {
			lost++
			continue
		}
		for _, r := range acks.all[id] {
			v := r.Model.Version
			if models[v] == nil {
				models[v] = s.model(api, v)
			}
			if want := models[v].after(s.t, histories[r.Student][:place+1]); !same(want, r.P) {
				s.t.Fatalf("attempt %s, the %d. of %s, version %d: answered %v, replayed %v", id, place+1, r.Student, v, r.P, want)
			}
			compared++
		}
	}
	s.t.Logf("%d attempts in the log, %d acknowledged; %d answers of versions %v equal the replay, bit for bit",
		len(log), len(acks.all), compared, slices.Sorted(maps.Keys(models)))
	if lost > 0 || compared == 0 || len(models) != 3 {
		s.t.Errorf("%d acknowledged attempts are not in the log, %d compared, %d versions", lost, compared, len(models))
	}
}

func same(want []float32, got map[string]float64) bool {
	for k, p := range want {
		if q, ok := got[strconv.Itoa(k+1)]; !ok || float32(q) != p {
			return false
		}
	}
	return len(want) == len(got)
}

// log seals the attempt log and reads all of it.
func (s *site) log(api *client.Client) (all []wire.Attempt) {
	s.t.Helper()
	segments, err := api.SealAttempts(s.ctx, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, g := range segments {
		err := lake.ReadAttempts(s.ctx, api.Blobs(lake.ErrNotFound), g, func(a wire.Attempt) error {
			all = append(all, a)
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

// replayed is a version's model, which computes whole windows alone.
type replayed struct {
	*infer.Model
	lane *cpu.Lane
	ids  map[string]int
}

func (s *site) model(api *client.Client, version int) *replayed {
	s.t.Helper()
	v, err := api.Version(s.ctx, served, strconv.Itoa(version))
	if err != nil {
		s.t.Fatal(err)
	}
	blobs := api.Blobs(lake.ErrNotFound)
	text, err := lake.Read(s.ctx, blobs, v.Manifest)
	if err != nil {
		s.t.Fatal(err)
	}
	var m wire.ModelManifest
	if err := json.Unmarshal(text, &m); err != nil {
		s.t.Fatal(err)
	}
	rc, err := blobs.Get(s.ctx, m.Weights)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rc.Close() //nolint:errcheck // read only
	p, _, err := checkpoint.ReadWeights(rc)
	if err != nil {
		s.t.Fatal(err)
	}
	made, err := infer.New(p, m.Window, "")
	if err != nil {
		s.t.Fatal(err)
	}
	r := &replayed{Model: made, lane: made.NewLane(), ids: map[string]int{}}
	for id, name := range m.Skills {
		r.ids[name] = id
	}
	return r
}

// after is P of each skill in the order of its number, once a student has made attempts.
func (r *replayed) after(t *testing.T, attempts []wire.Attempt) []float32 {
	t.Helper()
	codes := make([]int32, len(attempts))
	for k, a := range attempts {
		codes[k] = infer.Code(r.ids[a.Skill], a.Correct)
	}
	run := r.Whole(codes)
	if err := r.lane.All([]*cpu.Run{run}); err != nil || run.Err != nil {
		t.Fatal(err, run.Err)
	}
	p := infer.Probabilities(run.Logits)
	named := make([]float32, len(p))
	for name, id := range r.ids {
		k, err := strconv.Atoi(name)
		if err != nil || k < 1 || k > len(p) {
			t.Fatalf("skill %q: %v", name, err)
		}
		named[k-1] = p[id]
	}
	return named
}
