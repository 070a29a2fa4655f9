package gateway

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/consensus"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// replay is what the model says after a student's attempts.
func replay(all []wire.StepAttempt) map[string]float64 {
	if n := len(all); n > 0 {
		return fakeP(all[(n-1)/fakeWindow*fakeWindow:])
	}
	return nil
}

// Students answer; requests are sent again, replicas forget, the log is sealed, and
// leaders follow one another on restored states: each attempt is in the log once,
// and each answer is that of a replay of the log up to it.
func TestAnswersAreThoseOfAReplay(t *testing.T) {
	for _, disk := range []bool{false, true} {
		t.Run(fmt.Sprintf("disk=%t", disk), func(t *testing.T) {
			dir := ""
			if disk {
				dir = t.TempDir()
			}
			o := newOffice(t, dir)
			a, b := newFake(t), newFake(t)
			o.deploy(deployed(routes(100), []*fake{a, b}))
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			draw := rand.New(rand.NewPCG(seed, 1))
			type sent struct {
				student, id, skill string
				right              bool
				reply              wire.AttemptsReply
			}
			var all []sent
			logs := map[string][]wire.StepAttempt{}
			for n := range 250 {
				switch k := draw.IntN(12); {
				case k == 0:
					a.forget()
				case k == 1:
					if err := o.seal(t.Context()); err != nil {
						t.Fatal(err)
					}
				case k == 2 && !disk: // a new leader, with nothing but the state and the blobs
					var snapshot bytes.Buffer
					if _, err := o.State.Read().WriteTo(&snapshot); err != nil {
						t.Fatal(err)
					}
					restored := state.New()
					if err := restored.Restore(&snapshot); err != nil {
						t.Fatal(err)
					}
					o.open(restored, o.Blobs, "")
				case k < 6 && len(all) > 0:
					old := all[draw.IntN(len(all))]
					if _, again := o.attempt(old.student, old.id, old.skill, old.right); !cmp.Equal(again, old.reply) {
						t.Fatalf("%s sent again: %s", old.id, cmp.Diff(old.reply, again))
					}
				default:
					s := sent{student: fmt.Sprint("student", draw.IntN(4)), id: fmt.Sprint(n), skill: fmt.Sprint("s", 1+draw.IntN(2)), right: draw.IntN(2) == 0}
					var status int
					status, s.reply = o.attempt(s.student, s.id, s.skill, s.right)
					logs[s.student] = append(logs[s.student], wire.StepAttempt{Skill: s.skill, Correct: s.right})
					if d := cmp.Diff(replay(logs[s.student]), s.reply.P); d != "" || status != http.StatusOK || s.reply.Next.Skill != "s2" {
						t.Fatalf("attempt %d of %s: %d %s", n, s.student, status, d)
					}
					all = append(all, s)
				}
			}
			if got := o.State.Read().AttemptLog().Last; got != uint64(len(all)) {
				t.Errorf("%d attempts in the log, %d were sent", got, len(all))
			}
		})
	}
}

// Requests of many at once: each attempt once, and fewer commands than requests.
func TestConcurrentRequestsShareCommands(t *testing.T) {
	o := newOffice(t, "")
	o.mu.Lock() // so that all of them wait
	const clients, each = 30, 4
	var wait sync.WaitGroup
	for c := range clients {
		wait.Go(func() {
			for k := range each {
				for range 2 {
					o.attempt(fmt.Sprint("student", c/2), fmt.Sprint(c/2, "-", k), "s1", true) // two clients send the same
				}
			}
		})
	}
	o.mu.Unlock()
	wait.Wait()
	log := o.State.Read().AttemptLog()
	if log.Last != clients/2*each {
		t.Errorf("%d attempts in the log, want %d", log.Last, clients/2*each)
	}
	if n := o.changed.Load(); n >= clients*each*2 {
		t.Errorf("%d commands", n)
	}
}

func TestAGatheredBatchIsBounded(t *testing.T) {
	g := &Gateway{batches: make(chan *pending, 10)}
	for range 10 {
		g.batches <- &pending{attempts: make([]wire.Attempt, maxBatch/4)}
	}
	if got := g.gather(<-g.batches); len(got) != 4 {
		t.Errorf("%d requests in a batch, want 4", len(got))
	}
}

func TestAnAttemptIsKeptWhereNoModelAnswers(t *testing.T) {
	o := newOffice(t, "")
	status, r := o.attempt("ann", "1", "s1", true)
	if status != http.StatusAccepted || r.Model != nil || !strings.Contains(r.Why, "no model is deployed") {
		t.Errorf("%d %+v", status, r)
	}
	o.deploy(Deployed{Model: "m", Routes: routes(100)})
	if status, r = o.attempt("ann", "2", "s1", true); status != http.StatusAccepted || !strings.Contains(r.Why, "no replica") {
		t.Errorf("%d %+v", status, r)
	}
	f := newFake(t)
	o.deploy(deployed(routes(100), []*fake{f}))
	if status, r = o.attempt("ann", "3", "odd", true); status != http.StatusOK || !strings.Contains(r.Why, `skill "odd"`) || r.P["s1"] <= 0.5 {
		t.Errorf("%d %+v", status, r)
	}
	if got := o.State.Read().AttemptsOf("ann"); len(got) != 3 || f.needs.Load() != 1 {
		t.Errorf("%d attempts, %d windows asked for", len(got), f.needs.Load())
	}
}

func TestAnAttemptIsNotAnsweredBeforeItIsCommitted(t *testing.T) {
	o := newOffice(t, "")
	f := newFake(t)
	o.deploy(deployed(routes(100), []*fake{f}))
	o.mu.Lock()
	o.refuse = consensus.ErrNotLeader
	o.mu.Unlock()
	if status, text, _ := o.send("/v1/students/ann/attempts", attemptText("1", "s1", true)); status != http.StatusServiceUnavailable || f.steps.Load() != 0 {
		t.Errorf("%d %s, %d steps", status, text, f.steps.Load())
	}
}

// An id is one attempt's: another under it is refused, before the log is sealed and
// after, and leaves the log as it is; the same one again is no fault.
func TestAnIDOfAnotherAttemptIsRefused(t *testing.T) {
	o := newOffice(t, t.TempDir())
	o.deploy(deployed(routes(100), []*fake{newFake(t)}))
	const path = "/v1/students/ann/attempts"
	right := attemptText("1", "s1", true)
	for _, sealed := range []bool{false, true} {
		if sealed {
			if err := o.seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if status, text, _ := o.send(path, right); status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
		for _, other := range []string{attemptText("1", "s1", false), attemptText("1", "s2", true)} {
			status, text, _ := o.send(path, `{"attempts":[`+right+`,`+other+`]}`)
			if status < http.StatusBadRequest || !strings.Contains(text, `attempts[1].id was given to another attempt before, of skill "s1" and correct true`) {
				t.Errorf("sealed %t: %d %s", sealed, status, text)
			}
		}
		if n := o.State.Read().AttemptLog().Last; n != 1 {
			t.Errorf("sealed %t: %d attempts were kept", sealed, n)
		}
	}
}

func TestWrongAttemptsAreRefusedByTheirField(t *testing.T) {
	o := newOffice(t, "")
	many := `{"attempts":[` + strings.Repeat(attemptText("1", "s", true)+",", maxAttempts) + attemptText("1", "s", true) + `]}`
	for body, want := range map[string]string{
		``:                                      "no JSON object",
		`[1]`:                                   "no JSON object",
		`null`:                                  "no JSON object",
		`{"attempts":[]}`:                       "attempts: want a list of one",
		`{"attempts":7}`:                        "attempts: want a list of one",
		`{"attempts":[],"id":"1"}`:              `id is unknown beside attempts`,
		`{"attempts":[7]}`:                      "attempts[0]: want an attempt",
		many:                                    "at most 1000",
		`{"skill":"s","correct":true}`:          "id is missing",
		`{"id":"1","correct":true}`:             "skill is missing",
		`{"id":"1","skill":"s"}`:                "correct is missing",
		`{"id":"1","skill":"s","correct":1}`:    "correct is a number, want true or false",
		`{"id":1,"skill":"s","correct":true}`:   "id is a number, want a text",
		`{"id":" ","skill":"s","correct":true}`: "id is empty",
		`{"id":"1","skill":"","correct":true}`:  "skill is empty",
		`{"id":"1","skill":"s\u0000","correct":true}`:                                               "skill is no text",
		`{"id":"1","skill":"s","correct":true,"time_us":-1}`:                                        "time_us is -1",
		`{"id":"1","skill":"s","correct":true,"time_us":1.5}`:                                       "time_us is a number 1.5, want a whole number",
		`{"id":"1","skill":"s","correct":true,"elapsed_ms":-1}`:                                     "elapsed_ms is -1",
		`{"id":"1","skill":"s","correct":true,"student":"bob"}`:                                     "student is another than the path's",
		`{"id":"1","skill":"s","correct":true,"seq":3}`:                                             "seq is unknown",
		`{"attempts":[` + attemptText("1", "s", true) + `,{"id":"2","skill":"s","correct":"yes"}]}`: "attempts[1].correct is a string",
		`{"id":"` + strings.Repeat("x", maxID+1) + `","skill":"s","correct":true}`:                  "id is longer than 128 bytes",
	} {
		status, text, _ := o.send("/v1/students/ann/attempts", body)
		if status != http.StatusBadRequest || !strings.Contains(text, want) || strings.Contains(text, "ann") {
			t.Errorf("%.60s: %d %q, want %q", body, status, text, want)
		}
	}
	if status, text, _ := o.send("/v1/students/"+strings.Repeat("x", maxStudent+1)+"/attempts", attemptText("1", "s", true)); status != http.StatusBadRequest || !strings.Contains(text, "student is longer") {
		t.Errorf("%d %s", status, text)
	}
	if n := o.State.Read().AttemptLog().Last; n != 0 {
		t.Errorf("%d attempts were kept", n)
	}
}
