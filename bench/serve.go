package bench

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"cohort/cli/local"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dkt/checkpoint"
	"cohort/dkt/infer"
	"cohort/kernels"
	"cohort/kernels/cpu"
	"cohort/worker/serve"
)

// Asked says what a replica is asked in a measurement: of one uncached sequence a
// request.
type Asked struct {
	Shape   kernels.Shape
	Length  int           // answers of a sequence
	Clients int           // of the closed loop, each asks again as soon as it is answered
	Rate    float64       // of the open loop, requests a second
	Time    time.Duration // of a repetition
	Lanes   int
}

// Serving is a replica on loopback, its model beside it, and another replica
// behind the gateway of a cluster.
type Serving struct {
	asked   Asked
	replica *serve.Replica
	gateway served
	model   *infer.Model
	client  *http.Client
	bodies  [][]byte
	codes   [][]int32
}

// bodiesMade is how many different requests there are; nothing keeps the answer to one.
const bodiesMade = 4096

// NewServing starts a replica of an untrained model: what it costs does not depend
// on the weights.
func NewServing(ctx context.Context, a Asked) (s *Serving, err error) {
	s = &Serving{asked: a, client: &http.Client{Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 4096}}}
	defer func() { //nolint:contextcheck // the end is bounded by itself
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	p := kernels.InitParams(a.Shape, 1)
	if s.model, err = infer.New(p, a.Length+1, ""); err != nil {
		return s, err
	}
	blobs := lake.NewMemory()
	stage, err := keepModel(ctx, blobs, p, a.Length+1)
	if err != nil {
		return s, err
	}
	l, err := local.Listen(ctx, "serve", "127.0.0.1:0", false)
	if err != nil {
		return s, err
	}
	s.replica, err = serve.Start(ctx, serve.Config{Listener: l, Blobs: blobs, Stage: stage, Threads: a.Lanes, Version: "bench", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return s, err
	}
	r := rand.New(rand.NewPCG(1, 9)) //nolint:gosec // no secret
	for range bodiesMade {
		codes := make([]int32, a.Length)
		for k := range codes {
			codes[k] = r.Int32N(int32(2 * a.Shape.Skills))
		}
		text, err := json.Marshal(map[string]any{"inputs": [][]int32{codes}})
		if err != nil {
			return s, err
		}
		s.codes, s.bodies = append(s.codes, codes), append(s.bodies, text)
	}
	return s, s.gateway.start(ctx, a)
}

// keepModel stores a model as a deployment's stage names it, signed.
func keepModel(ctx context.Context, blobs lake.Blobs, p *kernels.Params, window int) (stage wire.Stage, err error) {
	m := wire.ModelManifest{FormatVersion: 1, Model: "bench", Engine: "kernels", Window: window, WeightsHash: kernels.HashWeights(p)}
	for k := range p.Shape.Skills {
		m.Skills = append(m.Skills, strconv.Itoa(k))
	}
	f, err := checkpoint.Weights(p, m.Skills, nil)
	if err != nil {
		return stage, err
	}
	if m.Weights, _, err = blobs.Put(ctx, f); err != nil {
		return stage, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return stage, err
	}
	hash, _, err := blobs.Put(ctx, bytes.NewReader(text))
	if err != nil {
		return stage, err
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return stage, err
	}
	stage = wire.Stage{Name: "serve", Kind: wire.StageServe, Run: wire.Service, Inputs: map[string]string{"manifest": hash, "weights": m.Weights}}
	stage.Settings, err = json.Marshal(wire.ServeSettings{Model: m.Model, Version: 1, Public: public, Signature: ed25519.Sign(private, wire.SignedText(hash))})
	return stage, err
}

// Close ends what was started.
func (s *Serving) Close() error {
	s.client.CloseIdleConnections()
	err := s.gateway.close()
	if s.replica != nil {
		err = errors.Join(err, s.replica.Close())
	}
	return err
}

// Scenarios are the bare model, and requests to the replica. What asks runs in the
// same process, and takes its part of the machine.
func (s *Serving) Scenarios() []Scenario {
	name := func(what string) string { return fmt.Sprintf("Serve/H=%d/%s", s.asked.Shape.Hidden, what) }
	return []Scenario{
		{Name: name("model/sequences=1"), Run: func(context.Context) ([]Metric, error) { return s.bare(1) }},
		{Name: name("model/sequences=12"), Run: func(context.Context) ([]Metric, error) { return s.bare(12) }},
		{Name: name(fmt.Sprintf("invocations/clients=%d-%d", s.asked.Clients, s.asked.Lanes)), Run: s.closed},
		{Name: name(fmt.Sprintf("invocations/rate=%g-%d", s.asked.Rate, s.asked.Lanes)), Run: s.open(s.replica.Addr())},
		{Name: name(fmt.Sprintf("gateway/rate=%g-%d", s.asked.Rate, s.asked.Lanes)), Run: s.open(s.gateway.addr)},
	}
}

// bare is the model alone on one lane, so many sequences side by side.
func (s *Serving) bare(n int) ([]Metric, error) {
	lane, sequences := s.model.NewLane(), 0
	start := time.Now()
	for time.Since(start) < s.asked.Time/4 {
		runs := make([]*cpu.Run, n)
		for k := range runs {
			runs[k] = s.model.Whole(s.codes[(sequences+k)%len(s.codes)])
		}
		if err := lane.All(runs); err != nil {
			return nil, err
		}
		for _, r := range runs {
			infer.Probabilities(r.Logits)
		}
		sequences += n
	}
	took := time.Since(start)
	return []Metric{{"ns/op", float64(took.Nanoseconds()) / float64(sequences)}, {"sequences/s", float64(sequences) / took.Seconds()}}, nil
}

// once asks the kth request.
func (s *Serving) once(ctx context.Context, addr string, k int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/invocations", bytes.NewReader(s.bodies[k%len(s.bodies)]))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the replica answers %s", resp.Status)
	}
	return nil
}

// closed has clients that each ask again as soon as they are answered.
func (s *Serving) closed(ctx context.Context) ([]Metric, error) {
	t := Traffic{start: time.Now()}
	var asked atomic.Int64
	var wg sync.WaitGroup
	for range s.asked.Clients {
		wg.Go(func() {
			for err := error(nil); err == nil && time.Since(t.start) < s.asked.Time; {
				began := time.Now()
				err = s.once(ctx, s.replica.Addr(), int(asked.Add(1)))
				t.note(time.Since(began), err)
			}
		})
	}
	wg.Wait()
	return t.Sum().metrics()
}

// open asks at a steady rate.
func (s *Serving) open(addr string) func(ctx context.Context) ([]Metric, error) {
	return func(ctx context.Context) ([]Metric, error) {
		ask := func(ctx context.Context, k int) error { return s.once(ctx, addr, k) }
		return StartTraffic(ctx, s.asked.Rate, int(s.asked.Rate*s.asked.Time.Seconds()), ask).Wait().metrics()
	}
}
