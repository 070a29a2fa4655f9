package metrics_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"cohort/coordinator/consensus"
	"cohort/coordinator/metrics"
	"cohort/coordinator/metrics/machine"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

type cluster struct {
	t     *testing.T
	s     *state.Store
	index uint64
}

func (c *cluster) must(n wire.Number, body any) {
	c.t.Helper()
	env, err := state.Envelope(n, body, "test", "")
	if err != nil {
		c.t.Fatal(err)
	}
	c.index++
	env.Time = 1_000_000 + int64(c.index)*1000
	if out := c.s.Apply(c.index, env); out.Code != wire.OK {
		c.t.Fatalf("command %d: %s", n, out.Error)
	}
}

func (c *cluster) done(job, stage string, result string) {
	c.t.Helper()
	task := job + "/" + stage + "/0"
	c.must(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{{Task: task, Node: "w1", Session: "s", Granted: wire.Resources{Cores: 1}}}})
	c.must(wire.CmdTaskResult, wire.TaskResult{Task: task, Token: c.index, Result: json.RawMessage(result)})
}

func stage(name string, kind wire.StageKind, after ...string) wire.Stage {
	return wire.Stage{Name: name, Kind: kind, Run: wire.Batch, Tasks: 1, After: after}
}

// busy is a cluster in the middle of things.
func busy(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, s: state.New()}
	c.must(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: wire.FeatureLevel})
	c.must(wire.CmdRegisterNode, wire.RegisterNode{Node: wire.Node{ID: "w1", Session: "s", Resources: wire.Resources{Cores: 4}}})
	c.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: "weekly-1", Name: "weekly"}, Stages: []wire.Stage{
		stage("validate", wire.StageValidate), stage("tune.0", wire.StageTrial, "validate"), stage("tune", wire.StageTune, "tune.0"),
	}})
	c.done("weekly-1", "validate", `{"validation":{"ok":true,"events":90,"quarantined":7,"rejected":3}}`)
	c.done("weekly-1", "tune.0", `{}`)
	c.done("weekly-1", "tune", `{}`)
	c.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: "weekly-2", Name: "weekly"}, Stages: []wire.Stage{stage("train", wire.StageTrain), stage("other", wire.StageNoop)}})
	c.must(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{{Task: "weekly-2/train/0", Node: "w1", Session: "s", Granted: wire.Resources{Cores: 3}}}})
	c.must(wire.CmdPutAlerts, wire.PutAlerts{Alerts: []wire.Alert{{ID: "a", Rule: "r", Status: wire.AlertFiring, Since: 1}}})
	return c
}

func (c *cluster) source(leads bool) metrics.Source {
	return metrics.Source{
		State: c.s, Leads: func() bool { return leads },
		Raft: func() consensus.Stats {
			return consensus.Stats{Leader: leads, Term: 3, Applied: 9, Last: 10, Snapshot: 5, Voters: 1}
		},
		Live: func(string) map[int]wire.LiveStats {
			return map[int]wire.LiveStats{1: {Requests: 50, Errors: 1, P99MS: 20, Predicted: 6, Right: 5, Answers: 10}}
		},
		Progress: func(job string) []wire.Progress {
			if job != "weekly-2" {
				return nil
			}
			return []wire.Progress{
				{Task: "weekly-2/train/0", Epoch: 2, Epochs: 5, Loss: 0.5, ValidAUC: 0.75, Norm: 0.25, Rate: 1000},
				{Task: "weekly-2/train/1", Epoch: 1, Epochs: 5, Loss: 0.6, Rate: 900},
				{Task: "weekly-2/other/0"},
				{Task: "weekly-2/tune.3/0", Epoch: 9, Epochs: 9, ValidAUC: 0.99},
			}
		},
	}
}

func TestALeaderTellsAllOfIt(t *testing.T) {
	t.Parallel()
	want := `
# HELP cohort_training_valid_auc AUC on the validation students after the last whole epoch.
# TYPE cohort_training_valid_auc gauge
cohort_training_valid_auc{job_id="weekly-2",job_name="weekly",stage="train"} 0.75
# HELP cohort_training_epoch Epochs begun.
# TYPE cohort_training_epoch gauge
cohort_training_epoch{job_id="weekly-2",job_name="weekly",stage="train"} 2
# HELP cohort_training_gradient_norm L2 norm of the gradient, before it is clipped, at the end of the last epoch.
# TYPE cohort_training_gradient_norm gauge
cohort_training_gradient_norm{job_id="weekly-2",job_name="weekly",stage="train"} 0.25
# HELP cohort_data_quarantined_events Events that the last validation set apart.
# TYPE cohort_data_quarantined_events gauge
cohort_data_quarantined_events{job_name="weekly"} 7
# HELP cohort_pipeline_last_duration_seconds Length of the last run that ended well.
# TYPE cohort_pipeline_last_duration_seconds gauge
cohort_pipeline_last_duration_seconds{job_name="weekly"} 6
# HELP cohort_scheduler_tasks Tasks of open jobs that are placed, that wait for their first worker, or that wait to be tried again.
# TYPE cohort_scheduler_tasks gauge
cohort_scheduler_tasks{state="placed"} 1
cohort_scheduler_tasks{state="tried_again"} 0
cohort_scheduler_tasks{state="waiting"} 1
# HELP cohort_worker_cores Cores of workers that take tasks, by use.
# TYPE cohort_worker_cores gauge
cohort_worker_cores{use="free"} 1
cohort_worker_cores{use="used"} 3
# HELP cohort_tune_trials Trials of a study by status.
# TYPE cohort_tune_trials gauge
cohort_tune_trials{job_id="weekly-1",job_name="weekly",status="done"} 1
# HELP cohort_alerts Open incidents by rule and status.
# TYPE cohort_alerts gauge
cohort_alerts{rule="r",status="firing"} 1
# HELP cohort_state_commands_total Commands applied since the start of the process, by kind: placements are assign, results task_result.
# TYPE cohort_state_commands_total counter
cohort_state_commands_total{command="assign"} 4
cohort_state_commands_total{command="feature_level"} 1
cohort_state_commands_total{command="put_alerts"} 1
cohort_state_commands_total{command="register_node"} 1
cohort_state_commands_total{command="submit_job"} 2
cohort_state_commands_total{command="task_result"} 3
`
	err := testutil.CollectAndCompare(metrics.New(busy(t).source(true)), strings.NewReader(want),
		"cohort_training_valid_auc", "cohort_training_epoch", "cohort_training_gradient_norm", "cohort_data_quarantined_events", "cohort_pipeline_last_duration_seconds",
		"cohort_scheduler_tasks", "cohort_worker_cores", "cohort_tune_trials", "cohort_alerts", "cohort_state_commands_total")
	if err != nil {
		t.Error(err)
	}
}

func TestAFollowerTellsOfItselfAlone(t *testing.T) {
	t.Parallel()
	c := metrics.New(busy(t).source(false))
	if n := testutil.CollectAndCount(c, "cohort_jobs", "cohort_training_epoch", "cohort_alerts", "cohort_workers"); n != 0 {
		t.Errorf("%d numbers of the cluster", n)
	}
	if n := testutil.CollectAndCount(c, "cohort_raft_leader", "cohort_raft_term", "cohort_raft_voters"); n != 3 {
		t.Errorf("%d numbers of its own", n)
	}
}

func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	t.Parallel()
	r := machine.Registry(t.TempDir(), metrics.New(busy(t).source(true)))
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "cohort_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, name := range []string{"cohort_machine_memory_available_bytes", "cohort_machine_disk_bytes", "process_open_fds", "go_goroutines"} {
		if n, err := testutil.GatherAndCount(r, name); err != nil || n != 1 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if n, err := testutil.GatherAndCount(r, "cohort_machine_cpu_seconds_total"); err != nil || n != 5 {
		t.Errorf("CPU: %d, %v", n, err)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	c := busy(t)
	for k := range 150 {
		id := fmt.Sprint("j", k)
		c.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: id, Name: id}, Stages: []wire.Stage{stage("train", wire.StageTrain)}})
		c.done(id, "train", `{}`)
	}
	s := c.source(true)
	s.Progress = func(job string) []wire.Progress {
		return []wire.Progress{{Task: job + "/train/0", Epoch: 1, Epochs: 2}}
	}
	for _, name := range []string{"cohort_training_epoch", "cohort_pipeline_last_success_timestamp_seconds"} {
		if n := testutil.CollectAndCount(metrics.New(s), name); n != 100 {
			t.Errorf("%s has %d series", name, n)
		}
	}
}

// However many jobs are kept, a scrape looks into the newest.
func TestAScrapeLooksIntoTheNewestJobs(t *testing.T) {
	t.Parallel()
	c := busy(t)
	for k := range 1000 {
		c.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: fmt.Sprint("j", k), Name: "j"}, Stages: []wire.Stage{stage("one", wire.StageNoop)}})
	}
	s, asked := c.source(true), 0
	s.Progress = func(job string) []wire.Progress {
		if asked++; strings.HasPrefix(job, "weekly") {
			t.Errorf("job %s is looked into", job)
		}
		return nil
	}
	if n := testutil.CollectAndCount(metrics.New(s), "cohort_jobs"); n != 5 || asked != 1000 {
		t.Errorf("%d statuses, %d jobs looked into", n, asked)
	}
}
