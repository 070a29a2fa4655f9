package metrics

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"cohort/coordinator/wire"
)

const (
	// mostJobs is how many of the newest jobs are looked into.
	mostJobs = 1000
	// mostNames bounds the jobs and pipelines that are labels.
	mostNames = 100
)

func (s *scrape) scheduler() {
	status, free, used, placed := map[wire.NodeStatus]int{}, 0, 0, 0
	for _, n := range s.v.Nodes(nil) {
		status[n.Status]++
		tasks := s.v.TasksOf(nil, n.ID)
		placed += len(tasks)
		if n.Status != wire.NodeReady {
			continue
		}
		free += n.Resources.Cores
		for _, k := range tasks {
			used += k.Granted.Cores
		}
	}
	for _, k := range []wire.NodeStatus{wire.NodeReady, wire.NodeDraining, wire.NodeDown} {
		s.put("workers", float64(status[k]), string(k))
	}
	s.put("worker_cores", float64(used), "used")
	s.put("worker_cores", float64(free-used), "free")
	s.put("scheduler_tasks", float64(placed), "placed")
	s.queue()
}

// queue counts the tasks that wait, of open jobs whose stages could run.
func (s *scrape) queue() {
	waiting, paused := 0, 0
	for _, j := range s.v.OpenJobs() {
		for st := range s.v.Ready(j.ID) {
			for k := range s.v.Pending(j.ID, st.Name) {
				if k.Attempt > 0 {
					paused++
				} else {
					waiting++
				}
			}
		}
	}
	s.put("scheduler_tasks", float64(waiting), "waiting")
	s.put("scheduler_tasks", float64(paused), "tried_again")
}

func (s *scrape) jobs() {
	counts, told := map[wire.Status]int{}, 0
	for k, j := range s.v.Jobs(nil, 0) { // newest first
		counts[j.Status]++
		if k < mostJobs && told < mostNames && s.training(j) {
			told++
		}
	}
	for _, k := range []wire.Status{wire.Pending, wire.Running, wire.Done, wire.Failed, wire.Stopped} {
		s.put("jobs", float64(counts[k]), string(k))
	}
}

// training tells how a job's training stands, by stage, and how its study does. It
// reports whether there was anything to tell.
func (s *scrape) training(j *wire.Job) bool {
	best := map[string]wire.Progress{} // by stage: the report that is furthest
	trials := map[wire.Status]int{}
	for _, q := range s.Progress(j.ID) {
		stage := strings.Split(q.Task, "/")
		if len(stage) != 3 || q.Epochs == 0 || strings.HasPrefix(stage[1], "tune.") {
			continue
		}
		if b, ok := best[stage[1]]; !ok || q.Epoch > b.Epoch || q.Epoch == b.Epoch && q.ValidAUC > b.ValidAUC {
			best[stage[1]] = q
		}
	}
	for _, stage := range slices.Sorted(maps.Keys(best)) {
		s.progress(j, stage, best[stage])
	}
	for _, st := range s.studied(j) {
		if st.Kind == wire.StageTrial {
			trials[st.Status]++
		}
	}
	for _, k := range slices.Sorted(maps.Keys(trials)) {
		s.put("tune_trials", float64(trials[k]), j.Name, j.ID, string(k))
	}
	return len(best)+len(trials) > 0
}

// studied are the stages of a job that may hold a study: those of the newest alone
// are looked through.
func (s *scrape) studied(j *wire.Job) []*wire.Stage {
	if _, ok := s.v.Stage(nil, j.ID, "tune"); !ok {
		return nil
	}
	return s.v.Stages(nil, j.ID)
}

func (s *scrape) progress(j *wire.Job, stage string, q wire.Progress) {
	s.put("training_epoch", float64(q.Epoch), j.Name, j.ID, stage)
	if q.Loss != 0 {
		s.put("training_loss", q.Loss, j.Name, j.ID, stage)
	}
	if q.ValidAUC != 0 {
		s.put("training_valid_auc", q.ValidAUC, j.Name, j.ID, stage)
	}
	if q.Norm != 0 {
		s.put("training_gradient_norm", q.Norm, j.Name, j.ID, stage)
	}
	s.put("training_answers_per_second", q.Rate, j.Name, j.ID, stage)
}

// pipelines tells how the last runs of the newest names ended, and what their data
// was like.
func (s *scrape) pipelines() {
	ended, well, checked := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, j := range s.v.Jobs(nil, mostJobs) {
		if !j.Status.Final() || j.Status == wire.Stopped || len(ended) == mostNames && !ended[j.Name] {
			continue
		}
		if !ended[j.Name] {
			ended[j.Name] = true
			s.flag("pipeline_last_failed", j.Status == wire.Failed, j.Name)
		}
		if !well[j.Name] && j.Status == wire.Done {
			well[j.Name] = true
			s.put("pipeline_last_success_timestamp_seconds", seconds(j.Ended), j.Name)
			s.put("pipeline_last_duration_seconds", seconds(j.Ended-j.Submitted), j.Name)
		}
		if !checked[j.Name] {
			checked[j.Name] = s.data(j)
		}
	}
	for k, c := range s.v.Schedules(nil) {
		if k < mostNames && c.Next != 0 && !c.Paused {
			s.put("schedule_next_timestamp_seconds", seconds(c.Next), c.Name)
		}
	}
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

// data tells what a job's validation found; false: there was none.
func (s *scrape) data(j *wire.Job) bool {
	st, ok := s.v.Stage(nil, j.ID, "validate")
	if !ok {
		return false
	}
	var r struct {
		Validation *struct {
			OK          bool  `json:"ok"`
			Events      int64 `json:"events"`
			Quarantined int64 `json:"quarantined"`
			Rejected    int64 `json:"rejected"`
		} `json:"validation"`
	}
	if json.Unmarshal(st.Result, &r) != nil || r.Validation == nil {
		return false
	}
	s.flag("data_passed", r.Validation.OK, j.Name)
	s.put("data_events", float64(r.Validation.Events), j.Name)
	s.put("data_quarantined_events", float64(r.Validation.Quarantined), j.Name)
	s.put("data_rejected_rows", float64(r.Validation.Rejected), j.Name)
	return true
}

// alerts counts open incidents; rules are the configuration's, so few.
func (s *scrape) alerts() {
	type key struct{ rule, status string }
	counts := map[key]int{}
	for _, a := range s.v.OpenAlerts(nil) {
		counts[key{a.Rule, string(a.Status)}]++
	}
	for k, n := range counts {
		s.put("alerts", float64(n), k.rule, k.status)
	}
}
