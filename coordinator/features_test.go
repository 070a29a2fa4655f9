package coordinator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/worker/stage"
)

const featureDay = 24 * 3600 * int64(1_000_000)

// lesson is a few days of three students, in one part of the dataset.
func lesson() (events []dataplane.Event, students []string) {
	for n := 0; len(students) < 3; n++ {
		if id := fmt.Sprintf("%032x", n); dataplane.StudentShard(id, dataplane.Parts) == 4 {
			students = append(students, id)
		}
	}
	for s, student := range students {
		for k := range 12 {
			events = append(events, dataplane.Event{
				Student: student, Time: 20_000*featureDay + int64(k*(s+1))*featureDay/4 + 1, ID: fmt.Sprint(k),
				Item: fmt.Sprint("i", (k+s)%4), Skill: fmt.Sprint("k", k%3), Correct: (k*k+s)%3 > 0, Elapsed: int64(1000 + 137*k),
			})
		}
	}
	return events, students
}

// makeFeatures runs the stage on this machine, as a worker would.
func makeFeatures(t *testing.T, blobs lake.Blobs, name string, events []dataplane.Event, cut int64) wire.TaskResult {
	t.Helper()
	all := lake.NewEvents()
	for _, e := range events {
		if err := all.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	_, id, err := lake.WriteDataset(t.Context(), blobs, all, "mask")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(wire.FeaturesSettings{Name: name, Cut: cut})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stage.Run(t.Context(), stage.Env{Blobs: blobs, Progress: func(wire.Progress) {}, Logger: slog.New(slog.DiscardHandler)},
		wire.Assignment{Stage: wire.Stage{Kind: wire.StageFeatures, Settings: settings, Inputs: map[string]string{"dataset": id}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// oneStage is a job whose only task a hand ends as it likes.
func (h *hand) ends(r wire.TaskResult) string {
	h.t.Helper()
	job, err := h.api.Submit(h.t.Context(), "name: p\nkind: graph\nstages: [{name: features, kind: noop}]\n")
	if err != nil {
		h.t.Fatal(err)
	}
	a := h.assigned("s1", 1)[0]
	r.Task, r.Token = a.Task.ID, a.Task.Token
	if _, err := h.api.Result(h.t.Context(), r); err != nil {
		h.t.Fatal(err)
	}
	return job.ID
}

func TestFeaturesAreReadOverTheAPI(t *testing.T) {
	n := alone(t, t.TempDir(), longLease)
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	api := client.New([]string{n.Addr()}, client.Options{Patience: time.Minute})
	defer api.Close()
	ctx, blobs := t.Context(), api.Blobs()
	w := &hand{t: t, api: api, id: "w1"}
	w.register("s1")
	if sets, err := api.Features(ctx, true); err != nil || sets == nil || len(sets) != 0 {
		t.Errorf("%v, %v", sets, err)
	}
	events, students := lesson()
	cut := 20_001*featureDay + 2
	early := makeFeatures(t, blobs, "weekly", events, cut)
	w.ends(early)
	late := makeFeatures(t, blobs, "weekly", events, 0)
	job := w.ends(late)

	sets, err := api.Features(ctx, false)
	if err != nil || len(sets) != 1 || sets[0].ID != late.Features.ID || sets[0].Job != job || sets[0].Students != 3 || sets[0].Items != 4 {
		t.Fatalf("newest %+v, %v", sets, err)
	}
	if sets, err = api.Features(ctx, true); err != nil || len(sets) != 2 || sets[1].ID != early.Features.ID {
		t.Errorf("all %+v, %v", sets, err)
	}
	view, err := api.Feature(ctx, "weekly")
	if err != nil || view.ID != late.Features.ID || view.Mask != "mask" || view.Events != 36 || !view.Clock || !view.FitConverged || view.Recent != 10 || view.GapSeconds != 1800 ||
		len(view.Tables) != 3 || view.Tables[0].Name != "users" || view.Tables[0].Rows != 3 || view.Tables[0].Columns[0].Name != "student" {
		t.Errorf("%+v, %v", view, err)
	}

	// Stored at a cut, and computed at that cut from the later set's events: the same bits.
	for _, student := range students {
		stored, err := api.FeaturesOf(ctx, client.FeatureQuery{Set: early.Features.ID, Student: student, Events: 2})
		if err != nil {
			t.Fatal(err)
		}
		computed, err := api.FeaturesOf(ctx, client.FeatureQuery{Set: "weekly", Student: student, Cut: cut, Events: 2})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(stored.Tables, computed.Tables); d != "" || !stored.Stored || computed.Stored || stored.Cut != cut {
			t.Errorf("online is not offline: %s", d)
		}
		if d := cmp.Diff(stored.Events, computed.Events); d != "" || len(stored.Events) != 2 || stored.Events[1].Time >= cut || stored.Events[0].ElapsedMS < 1000 {
			t.Errorf("events %+v: %s", stored.Events, d)
		}
	}
	diff, err := api.FeatureDiff(ctx, early.Features.ID, "weekly")
	if err != nil || diff.A.ID != early.Features.ID || diff.B.ID != late.Features.ID || len(diff.Tables) != 3 || diff.Tables[0].Changed != 3 || len(diff.Tables[0].Columns) == 0 {
		t.Errorf("%+v, %v", diff, err)
	}
	wrongFeatureReads(t, "http://"+n.Addr(), early.Features.ID, students[0])
}

func wrongFeatureReads(t *testing.T, url, set, student string) {
	t.Helper()
	for path, status := range map[string]int{
		"/v1/features/none": 404, "/v1/features/none/students/" + student: 404,
		"/v1/features/" + set + "/students/stranger":                                                         404,
		"/v1/features/" + set + "/students/stranger?cut=77":                                                  404,
		"/v1/features/" + set + "/students/" + student + "?cut=x":                                            400,
		"/v1/features/" + set + "/students/" + student + "?cut=-1":                                           400,
		"/v1/features/" + set + "/students/" + student + "?events=1000000":                                   400,
		"/v1/features/" + set + "/students/" + student + "?cut=5":                                            404, // no event before it
		"/v1/features/diff?a=" + set:                                                                         404,
		"/v1/features/diff?a=none&b=" + set:                                                                  404,
		"/v1/features?wait=x":                                                                                400,
		"/v1/features/" + set + "/students/" + student + "?events=0&cut=" + fmt.Sprint(int64(math.MaxInt64)): 400,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
		if r.StatusCode != status {
			t.Errorf("%s: %d %s, want %d", path, r.StatusCode, text, status)
		}
	}
}
