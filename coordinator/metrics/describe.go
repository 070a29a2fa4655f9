package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"cohort/coordinator/wire"
)

// describe lists all metrics.
func describe() map[string]desc {
	all := map[string]desc{}
	add := func(kind prometheus.ValueType, name, help string, labels ...string) {
		all[name] = desc{prometheus.NewDesc("cohort_"+name, help, labels, nil), kind}
	}
	gauge := func(name, help string, labels ...string) { add(prometheus.GaugeValue, name, help, labels...) }
	counter := func(name, help string, labels ...string) { add(prometheus.CounterValue, name, help, labels...) }

	gauge("raft_leader", "1 where this coordinator leads.")
	gauge("raft_term", "Term of the last election that this coordinator knows.")
	gauge("raft_applied_index", "Index of the last log entry applied.")
	gauge("raft_last_index", "Index of the last log entry stored.")
	gauge("raft_snapshot_index", "Index that the last snapshot reaches.")
	gauge("raft_voters", "Coordinators that vote.")
	counter("state_commands_total", "Commands applied since the start of the process, by kind: placements are assign, results task_result.", "command")

	version := []string{"model", "version"}
	gauge("deployment_traffic_percent", "Part of the traffic of a version that has replicas.", version...)
	gauge("deployment_replicas_wanted", "Replicas of a version that there are to be.", version...)
	gauge("deployment_replicas_ready", "Replicas of a version that are ready.", version...)
	gauge("live_error_rate", "Share of the last ten seconds' requests of a version that failed.", version...)
	gauge("live_p99_seconds", "99th percentile of the last ten seconds' requests of a version.", version...)
	gauge("live_calibration_error", "Difference between mean P(correct) and share right of a version's last thousand answers.", version...)
	counter("attempt_log_attempts_total", "Attempts in the attempt log.")
	gauge("attempt_log_unsealed", "Attempts of the log that are in no segment yet.")
	gauge("attempt_log_sealed_bytes", "Bytes of the log's segments.")

	gauge("workers", "Workers by status.", "status")
	gauge("worker_cores", "Cores of workers that take tasks, by use.", "use")
	gauge("scheduler_tasks", "Tasks of open jobs that are placed, that wait for their first worker, or that wait to be tried again.", "state")
	gauge("jobs", "Jobs by status.", "status")

	job := []string{"job_name", "job_id", "stage"}
	gauge("training_epoch", "Epochs begun.", job...)
	gauge("training_loss", "Training loss of the last whole epoch, or so far in the first.", job...)
	gauge("training_valid_auc", "AUC on the validation students after the last whole epoch.", job...)
	gauge("training_gradient_norm", "L2 norm of the gradient, before it is clipped, at the end of the last epoch.", job...)
	gauge("training_answers_per_second", "Answers learnt from per second.", job...)
	gauge("tune_trials", "Trials of a study by status.", "job_name", "job_id", "status")

	pipeline := []string{"job_name"}
	gauge("pipeline_last_success_timestamp_seconds", "When a run last ended well.", pipeline...)
	gauge("pipeline_last_duration_seconds", "Length of the last run that ended well.", pipeline...)
	gauge("pipeline_last_failed", "1 where the last run that ended failed.", pipeline...)
	gauge("schedule_next_timestamp_seconds", "Next firing of a schedule.", "schedule")
	gauge("data_passed", "1 where the last validation of a pipeline passed.", pipeline...)
	gauge("data_events", "Events of the last validation.", pipeline...)
	gauge("data_quarantined_events", "Events that the last validation set apart.", pipeline...)
	gauge("data_rejected_rows", "Rows of the last validation's extraction that are no events.", pipeline...)

	gauge("model_version", "Newest version of a model in a stage.", "model", "stage")
	gauge("model_auc", "AUC of the newest version in a stage, on the held-out students of its evaluation.", "model", "stage")
	gauge("evaluation_auc", "AUC of a model's newest evaluation: of the candidate, and of what it was compared with.", "model", "of")
	gauge("evaluation_gate_passed", "1 where the newest evaluation of a model passes the gate.", "model", "gate")

	gauge("alerts", "Open incidents by rule and status.", "rule", "status")
	return all
}

// commands are their names in a label.
func commands() map[wire.Number]string {
	return map[wire.Number]string{
		wire.CmdRegisterNode: "register_node", wire.CmdNodeStatus: "node_status", wire.CmdSubmitJob: "submit_job", wire.CmdStopJob: "stop_job",
		wire.CmdAssign: "assign", wire.CmdTaskResult: "task_result", wire.CmdReleaseTasks: "release_tasks", wire.CmdPutCheckpoint: "put_checkpoint",
		wire.CmdAddStages: "add_stages", wire.CmdFeatureLevel: "feature_level", wire.CmdPutPlan: "put_plan", wire.CmdRetryJob: "retry_job",
		wire.CmdPutSchedule: "put_schedule", wire.CmdSetSchedule: "set_schedule", wire.CmdFireSchedule: "fire_schedule", wire.CmdStartRun: "start_run",
		wire.CmdTriggerSchedule: "trigger_schedule", wire.CmdDeleteSchedule: "delete_schedule", wire.CmdPutBackfill: "put_backfill",
		wire.CmdStopBackfill: "stop_backfill", wire.CmdStepBackfill: "step_backfill", wire.CmdWarnJob: "warn_job", wire.CmdCloseFan: "close_fan",
		wire.CmdPutKey: "put_key", wire.CmdPromote: "promote", wire.CmdSetModel: "set_model", wire.CmdDeleteVersion: "delete_version",
		wire.CmdTaskReady: "task_ready", wire.CmdStartDeployment: "start_deployment", wire.CmdMoveTraffic: "move_traffic",
		wire.CmdStopDeployment: "stop_deployment", wire.CmdAppendAttempts: "append_attempts", wire.CmdSealAttempts: "seal_attempts",
		wire.CmdPutAlerts: "put_alerts", wire.CmdAckAlert: "ack_alert", wire.CmdPutSilence: "put_silence",
	}
}
