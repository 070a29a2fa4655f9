package serve_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"cohort/coordinator/wire"
	"cohort/dkt/infer"
	"cohort/worker/serve"
)

// stepOf sends a step and answers the reply's text with its status.
func stepOf(r *serve.Replica, q wire.StepRequest) (a answer, v wire.StepReply, err error) {
	text, err := json.Marshal(q)
	if err != nil {
		return a, v, err
	}
	if a, err = send(http.MethodPost, "http://"+r.Addr()+"/v1/step", "application/json", string(text)); err == nil {
		err = json.Unmarshal([]byte(a.body), &v)
	}
	return a, v, err
}

// say sends what is new of a log, and the window where the replica asks for it.
// Before is of what is new alone.
func say(r *serve.Replica, student string, log []wire.StepAttempt, from int) (v wire.StepReply, err error) {
	q := wire.StepRequest{Student: student, From: uint64(from), Attempts: log[from:]}
	a, v, err := stepOf(r, q)
	if err == nil && a.status == http.StatusConflict {
		q.From, q.Attempts = v.Need, log[v.Need:]
		a, v, err = stepOf(r, q)
	}
	if err != nil || a.status != http.StatusOK || len(v.Before) != len(q.Attempts) {
		return v, fmt.Errorf("%+v, %w", a, err)
	}
	v.Before = v.Before[len(v.Before)-(len(log)-from):]
	v.Unknown = 0 // of what was sent
	return v, nil
}

// logs are students' answers, some of a skill that the model does not know.
func logs() *rapid.Generator[[][]wire.StepAttempt] {
	one := rapid.Custom(func(t *rapid.T) wire.StepAttempt {
		return wire.StepAttempt{Skill: rapid.SampledFrom(append(vocabulary(), "new")).Draw(t, "skill"), Correct: rapid.Bool().Draw(t, "correct")}
	})
	return rapid.SliceOfN(rapid.SliceOfN(one, 1, 3*window), 1, 4)
}

// Replicas that forget, end and begin again, in any order of students: what is
// said is what one that replays everything says.
func TestStepsAreAReplay(t *testing.T) {
	k := keep(t, sound)
	small := k.config(t)
	small.States = 1 // one student's
	replicas := []*serve.Replica{start(t, small), start(t, k.config(t)), start(t, k.config(t))}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		all := logs().Draw(rt, "logs")
		at := make([]int, len(all))
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			n := rapid.IntRange(0, len(all)-1).Draw(rt, "student")
			end := rapid.IntRange(at[n], len(all[n])).Draw(rt, "end")
			which := rapid.IntRange(0, 2).Draw(rt, "replica")
			if rapid.IntRange(0, 19).Draw(rt, "restart") == 0 {
				replicas[which] = start(t, k.config(t))
			}
			got, err := say(replicas[which], fmt.Sprintf("%d-%d", run, n), all[n][:end], at[n])
			if err != nil {
				rt.Fatal(err)
			}
			want, err := say(replicas[0], "nobody yet", all[n][:end], 0)
			if err != nil {
				rt.Fatal(err)
			}
			want.Before = want.Before[at[n]:]
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				rt.Fatalf("student %d from %d to %d: %s", n, at[n], end, d)
			}
			at[n] = rapid.IntRange(0, end).Draw(rt, "goes on at") // some are sent again
		}
	})
}

func TestAStepSaysWhatIsAdvised(t *testing.T) {
	r := start(t, keep(t, sound).config(t))
	q := wire.StepRequest{Student: "s", Attempts: []wire.StepAttempt{{Skill: "a b", Correct: true}, {Skill: "new"}, {Skill: "7"}}}
	a, v, err := stepOf(r, q)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("%+v, %v", a, err)
	}
	p := want(t, infer.Code(1, true), infer.Code(0, false))
	best := 0
	for k := range p {
		if distance(p[k]) < distance(p[best]) {
			best = k
		}
	}
	for k, name := range vocabulary() {
		if float32(v.P[name]) != p[k] {
			t.Errorf("%s: %v, want %v", name, v.P[name], p[k])
		}
	}
	last := want(t, infer.Code(1, true))[0]
	if v.Position != 3 || v.Unknown != 1 || v.Next != vocabulary()[best] || float32(v.NextP) != p[best] || len(v.P) != 4 {
		t.Errorf("%+v", v)
	}
	if d := cmp.Diff([]float32{-1, -1, last}, []float32{float32(v.Before[0]), float32(v.Before[1]), float32(v.Before[2])}); d != "" {
		t.Error(d)
	}
	for text, want := range map[string]string{
		`{"attempts": []}`:                              "student: want",
		`{"student": 3}`:                                "the step is not as it should be",
		`{"student": "s", "from": 9e18}`:                "the step is not",
		`{"student": "s", "from": 2305843009213693952}`: "from: 2305843009213693952 is no position",
		`{"student": "s", "attempts": [` + strings.Repeat("{},", 10_000) + `{}]}`: "attempts: 10001, at most",
	} {
		wrong(t, ask(t, r, "/v1/step", "application/json", text), text, want)
	}
	if a := ask(t, r, "/v1/step", "text/csv", "x"); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("%+v", a)
	}
	if a, v, err := stepOf(r, wire.StepRequest{Student: "other", From: window + 2}); err != nil || a.status != http.StatusConflict || v.Need != window {
		t.Errorf("%+v, %v", a, err)
	}
}

func distance(p float32) float64 { return max(float64(p)-0.75, 0.75-float64(p)) }

// Many at once: every answer is the one that it is alone.
func TestACrowdIsAnsweredAsOneIs(t *testing.T) {
	r := start(t, keep(t, sound).config(t))
	var wg sync.WaitGroup
	faults := make(chan string, 64)
	for n := range 64 {
		text := fmt.Sprintf(`{"inputs": [[%d, %d, 3], [%d]]}`, n%8, (n/8)%8, n%8)
		alone := ask(t, r, "/invocations", "application/json", text)
		wg.Go(func() {
			for range 20 {
				a, err := send(http.MethodPost, "http://"+r.Addr()+"/invocations", "application/json", text)
				if err != nil || a != alone {
					faults <- fmt.Sprintf("%s: %+v, %v", text, a, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(faults)
	for f := range faults {
		t.Error(f)
	}
}
