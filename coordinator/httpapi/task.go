package httpapi

import (
	"net/http"
	"strings"
	"sync"

	"cohort/coordinator/wire"
)

func (a *api) result(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.TaskResult](r)
	if err != nil {
		return err
	}
	if err := a.sign(r.Context(), &q); err != nil {
		return err
	}
	return a.change(w, r, wire.CmdTaskResult, q)
}

func (a *api) putPlan(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.PutPlan](r)
	if err != nil {
		return err
	}
	return a.change(w, r, wire.CmdPutPlan, q)
}

func (a *api) checkpoint(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.PutCheckpoint](r)
	if err != nil {
		return err
	}
	return a.change(w, r, wire.CmdPutCheckpoint, q)
}

func (a *api) progress(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.Progress](r)
	if err != nil {
		return err
	}
	k, ok := a.State.Read().Task(nil, q.Task)
	if !ok {
		return notFound("task", q.Task)
	}
	if len(q.Lines) > 0 {
		if err := a.Logs.Append(r.Context(), q.Task, q.Lines); err != nil {
			return err
		}
	}
	if k.Token == q.Token || k.Status.Final() {
		a.Progress.put(q)
	}
	return answer(w, 0, struct{}{})
}

// Progress is the leader's soft state of running tasks, and of the last report
// of those that ended; a new leader's is refilled by the next reports.
type Progress struct {
	mu   sync.Mutex
	jobs map[string]map[string]wire.Progress // job → task → last report
	age  []string                            // jobs, oldest first
}

// NewProgress returns an empty table.
func NewProgress() *Progress { return &Progress{jobs: map[string]map[string]wire.Progress{}} }

// keepJobs bounds the table.
const keepJobs = 1000

func (p *Progress) put(q wire.Progress) {
	job, _, _ := strings.Cut(q.Task, "/")
	q.Lines = nil
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jobs[job] == nil {
		p.jobs[job] = map[string]wire.Progress{}
		p.age = append(p.age, job)
		if len(p.age) > keepJobs {
			delete(p.jobs, p.age[0])
			p.age = p.age[1:]
		}
	}
	p.jobs[job][q.Task] = q
}

// fill adds what is known of a job's tasks to its view; running tasks are
// listed, and the report that is furthest gives epoch, loss and rate.
func (p *Progress) fill(view *wire.JobView, part func(task string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reports := p.jobs[view.ID]
	for _, q := range reports { // of a part, epochs are not the job's
		if q.Epoch >= view.Epoch && q.Epochs > 0 && !part(q.Task) {
			view.Epoch, view.Epochs, view.Rate = q.Epoch, q.Epochs, max(view.Rate, q.Rate)
			if q.Loss != 0 {
				view.Loss = q.Loss
			}
			if q.ValidAUC != 0 {
				view.ValidAUC = q.ValidAUC
			}
		}
	}
	for _, s := range view.Stages {
		for _, k := range s.TaskList {
			if q, ok := reports[k.ID]; ok && k.Status == wire.Running && q.Token == k.Token {
				view.Progress = append(view.Progress, q)
			}
		}
	}
}
