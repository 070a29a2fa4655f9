package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func (a *api) status(w http.ResponseWriter, _ *http.Request) error {
	id, _ := a.Consensus.Leader()
	v := a.State.Read()
	peers, err := a.Consensus.Voters()
	if err != nil {
		return err
	}
	return answer(w, v.Index(), wire.StatusReply{
		Node: a.ID, Leader: id, Peers: peers, Index: v.Index(), Level: v.Level(), Version: a.Version,
	})
}

// runNow is a run for this moment.
func runNow() schedule.Run { return schedule.Run{At: time.Now().UnixMilli()} }

// parseAndExpand turns a job file into its stages.
func parseAndExpand(text string, run schedule.Run) (wire.Spec, []wire.Stage, error) {
	spec, err := wire.ParseSpec("job file", []byte(text))
	if err != nil {
		return spec, nil, &wire.Error{Code: wire.CodeInvalid, Message: err.Error()}
	}
	stages, err := schedule.Expand(spec, run)
	if err != nil {
		return spec, nil, &wire.Error{Code: wire.CodeInvalid, Message: err.Error()}
	}
	return spec, stages, nil
}

// expand parses and expands a job file and checks that what it names is there.
func (a *api) expand(ctx context.Context, text string, run schedule.Run) (wire.Spec, []wire.Stage, error) {
	spec, stages, err := parseAndExpand(text, run)
	if err != nil {
		return spec, nil, err
	}
	if spec.Kind != "graph" {
		if err := a.checkContent(ctx, spec); err != nil {
			return spec, nil, err
		}
	}
	if err := a.checkInputs(ctx, spec); err != nil {
		return spec, nil, err
	}
	return spec, stages, nil
}

// checkContent refuses a job whose files were not uploaded, or whose dataset is unknown.
func (a *api) checkContent(ctx context.Context, spec wire.Spec) error {
	if id, ok := strings.CutPrefix(spec.Data.Events, "dataset:"); ok {
		if _, found := a.State.Read().Dataset(nil, id); !found {
			return notFound("dataset", id)
		}
	}
	for _, f := range []struct{ key, name string }{{"data.events", spec.Data.Events}, {"split.file", spec.Split.File}} {
		if f.name == "" || strings.HasPrefix(f.name, "dataset:") {
			continue
		}
		if err := a.checkFile(ctx, f.key, f.name); err != nil {
			return err
		}
	}
	return nil
}

func (a *api) submit(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.SubmitRequest](r)
	if err != nil {
		return err
	}
	run := runNow()
	spec, stages, err := a.expand(r.Context(), q.Spec, run)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(q.Spec))
	return a.write(w, r, wire.CmdSubmitJob, wire.SubmitJob{
		Job: wire.Job{
			ID: jobID(spec.Name), Name: spec.Name, Kind: spec.Kind, Priority: spec.Priority, At: run.At,
			Spec: q.Spec, SpecHash: hex.EncodeToString(sum[:]),
		},
		Stages: stages,
	})
}

// jobID is the job's name and six hex digits. A repeated submit draws another,
// and gets the first one's answer.
func jobID(name string) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return name + "-" + hex.EncodeToString(b[:])
}

func (a *api) plan(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.SubmitRequest](r)
	if err != nil {
		return err
	}
	spec, stages, err := parseAndExpand(q.Spec, runNow())
	if err != nil {
		return err
	}
	v := a.State.Read()
	return answer(w, v.Index(), wire.PlanReply{Stages: state.Planned(v, spec.Name, stages), Index: v.Index()})
}

func (a *api) retry(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.RetryRequest](r)
	if err != nil {
		return err
	}
	return a.write(w, r, wire.CmdRetryJob, wire.RetryJob{Job: r.PathValue("job"), From: q.From, CheckIndex: q.CheckIndex})
}

// mostStages is how many stages of a job are shown without ?stages.
const mostStages = 200

// mostJobs is how many jobs a list without ?limit gives.
const mostJobs = 200

func (a *api) jobs(w http.ResponseWriter, r *http.Request) error {
	limit, err := count(r, "limit", mostJobs)
	if err != nil {
		return err
	}
	if name := r.URL.Query().Get("name"); name != "" {
		return a.runs(w, r, name, limit)
	}
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		views := []wire.JobView{}
		for _, j := range v.Jobs(on, limit) {
			views = append(views, a.view(v, nil, j, 0))
		}
		return views, nil
	})
}

func (a *api) view(v *state.View, on *state.Watch, j *wire.Job, stages int) wire.JobView {
	view := state.JobView(v, on, j, stages)
	a.Progress.fill(&view, func(task string) bool {
		k, ok := v.Task(nil, task)
		if !ok {
			return false
		}
		s, ok := v.Stage(nil, k.Job, k.Stage)
		return ok && s.Of != ""
	})
	return view
}

func (a *api) job(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job")
	stages := mostStages
	if s := r.URL.Query().Get("stages"); s == "all" {
		stages = state.AllStages
	} else if s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("stages %q is no count, nor all", s)}
		}
		stages = n
	}
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		j, ok := v.Job(on, id)
		if !ok {
			return nil, notFound("job", id)
		}
		return a.view(v, on, j, stages), nil
	})
}

func (a *api) stop(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.StopRequest](r)
	if err != nil {
		return err
	}
	return a.write(w, r, wire.CmdStopJob, wire.StopJob{Job: r.PathValue("job"), Reason: q.Reason, CheckIndex: q.CheckIndex})
}

func (a *api) logs(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job")
	v := a.State.Read()
	if _, ok := v.Job(nil, id); !ok {
		return notFound("job", id)
	}
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	from := uint64(0)
	if s := r.URL.Query().Get("from"); s != "" {
		if from, err = strconv.ParseUint(s, 10, 64); err != nil {
			return &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("from %q is no number", s)}
		}
	}
	page, err := a.Logs.Read(r.Context(), id, from, q.wait)
	if lost := context.Cause(r.Context()); lost != nil {
		return lost
	}
	if err != nil {
		return err
	}
	return answer(w, v.Index(), page)
}

func (a *api) datasets(w http.ResponseWriter, r *http.Request) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		if all := v.Datasets(on); all != nil {
			return all, nil
		}
		return []wire.Dataset{}, nil
	})
}

func (a *api) dataset(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		d, ok := v.Dataset(on, id)
		if !ok {
			return nil, notFound("dataset", id)
		}
		return d, nil
	})
}
