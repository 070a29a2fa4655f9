package wire

import "encoding/json"

// The HTTP API, version 1. Every write takes the header "Cohort-Request-Id";
// every read of state takes ?index=N&wait=30s (a blocking query: answered when
// the answer's index passes N, or the wait is over) and answers with the
// header "Cohort-Index". Errors are Error as JSON.
//
//	GET  /v1/status                       StatusReply
//	POST /v1/jobs          SubmitRequest  SubmitReply
//	POST /v1/jobs/plan     SubmitRequest  PlanReply
//	GET  /v1/jobs?limit=N                 []JobView (newest first)
//	GET  /v1/jobs?name=NAME&limit=N       []JobView of that name, with stages
//	GET  /v1/jobs/{job}?stages=N|all      JobView (200 stages, those that matter first)
//	GET  /v1/jobs/{job}/logs?from=SEQ&wait=D  LogsReply
//	POST /v1/jobs/{job}/stop StopRequest  SubmitReply
//	POST /v1/jobs/{job}/retry RetryRequest SubmitReply
//	GET  /v1/schedules, /v1/schedules/{name}       []ScheduleView, ScheduleView
//	POST /v1/schedules           ScheduleRequest   SubmitReply
//	POST /v1/schedules/{name}/pause CheckRequest   SubmitReply   (also /resume, /delete)
//	POST /v1/schedules/{name}/trigger              TriggerReply
//	POST /v1/schedules/{name}/backfill BackfillRequest SubmitReply
//	POST /v1/schedules/{name}/backfill/{id}/stop StopRequest SubmitReply
//	GET  /v1/studies?limit=N, /v1/studies/{job}    []StudyView, StudyView
//	GET  /v1/nodes, /v1/nodes/{node}      []NodeView, NodeView
//	POST /v1/nodes/{node}/register Node   RegisterReply
//	POST /v1/nodes/{node}/renew RenewRequest RenewReply
//	POST /v1/nodes/{node}/drain           SubmitReply   (also /undrain)
//	GET  /v1/nodes/{node}/tasks?session=S TasksReply (what the worker watches)
//	POST /v1/tasks/result     TaskResult      Outcome
//	POST /v1/tasks/checkpoint PutCheckpoint   Outcome
//	POST /v1/tasks/plan       PutPlan         Outcome
//	POST /v1/tasks/progress   Progress        {}
//	GET  /v1/datasets, /v1/datasets/{id}  []Dataset, Dataset
//	GET  /v1/features?all=1               []FeatureSet (without all: each pipeline's newest)
//	GET  /v1/features/{id}                FeatureSetView ({id}: or a pipeline's name, its newest)
//	GET  /v1/features/{id}/students/{student}?cut=US&events=N  StudentFeatures
//	GET  /v1/features/diff?a=ID&b=ID      FeatureDiff
//	HEAD, GET, PUT /v1/blobs/{sha256}     bytes

// Header names.
const (
	HeaderRequest = "Cohort-Request-Id"
	HeaderIndex   = "Cohort-Index"
	HeaderActor   = "Cohort-Actor"
)

// SubmitRequest carries a job file as the client resolved it: paths of client
// files already replaced by "sha256:HASH" of uploaded blobs.
type SubmitRequest struct {
	Spec string `json:"spec"` // YAML text
}

// SubmitReply answers a write.
type SubmitReply struct {
	ID    string `json:"id"`
	Index uint64 `json:"index"`
}

// PlanReply says what a submit would do.
type PlanReply struct {
	Stages []PlannedStage `json:"stages"`
	Index  uint64         `json:"index"`
}

// Action is what a submit would do with a stage.
type Action string

// The actions. Ask looks at a source for news, and runs when there are any.
const (
	ActionRun   Action = "run"
	ActionReuse Action = "reuse"
	ActionAsk   Action = "ask"
)

// PlannedStage is a stage, what would be done with it, and why.
type PlannedStage struct {
	Stage
	Action Action `json:"action"`
	Why    string `json:"why"`
}

// RetryRequest takes a job up again, from a stage or from what is not done.
type RetryRequest struct {
	From       string `json:"from,omitempty"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// StopRequest says why.
type StopRequest struct {
	Reason     string `json:"reason"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// Progress is a worker's report of a task: soft state on the leader, refilled
// by the next report.
type Progress struct {
	Task     string   `json:"task"`
	Token    uint64   `json:"token"`
	Message  string   `json:"message,omitempty"` // what it does now, for a person
	Done     int64    `json:"done"`              // of Total units: steps, rows, shards
	Total    int64    `json:"total"`
	Epoch    int      `json:"epoch,omitempty"`
	Epochs   int      `json:"epochs,omitempty"`
	Loss     float64  `json:"loss,omitempty"`          // of the last finished epoch, or so far in the first
	ValidAUC float64  `json:"valid_auc,omitempty"`     // of the last finished epoch
	Norm     float64  `json:"gradient_norm,omitempty"` // L2, of the last step of an epoch, or the last one that was clipped
	Rate     float64  `json:"answers_per_second,omitempty"`
	Lines    []string `json:"lines,omitempty"` // log lines since the last report
}

// JobView is a job as a person or a program sees it. Result merges the result
// objects of the job's stages, later stages last.
type JobView struct {
	Job
	Epoch    int                        `json:"epoch"`
	Epochs   int                        `json:"epochs"`
	Loss     float64                    `json:"loss"`
	ValidAUC float64                    `json:"valid_auc"`
	Rate     float64                    `json:"answers_per_second"`
	Progress []Progress                 `json:"progress"` // of running tasks
	Stages   []StageView                `json:"stages,omitempty"`
	Counts   map[Status]int             `json:"stage_counts,omitempty"` // of all stages
	LeftOut  int                        `json:"stages_left_out,omitempty"`
	Result   map[string]json.RawMessage `json:"result"`
}

// StageView is a stage with its tasks.
type StageView struct {
	Stage
	TaskList []Task `json:"task_list"`
	// Parts counts the trials or folds that are parts of this one, where their stages
	// are not listed.
	Parts map[Status]int `json:"parts,omitempty"`
	// Best is the highest value that one of them came to so far.
	Best *float64 `json:"best,omitempty"`
}

// NodeView is a node with what runs on it. Alive is gossip's word.
type NodeView struct {
	Node
	Alive bool      `json:"alive"`
	Used  Resources `json:"used"`
	Tasks []string  `json:"tasks"`
}

// RegisterReply tells a worker where the data plane is.
type RegisterReply struct {
	Index   uint64 `json:"index"`
	Stream  string `json:"stream"`   // NATS URL, empty when the lake is the only way
	LeaseMS int64  `json:"lease_ms"` // length of a lease
}

// RenewRequest keeps a node and its leases alive.
type RenewRequest struct {
	Session string    `json:"session"`
	Tasks   []TokenOf `json:"tasks"`
}

// RenewReply names the assignments that are no longer the node's.
type RenewReply struct {
	Lost []TokenOf `json:"lost"`
	Gone bool      `json:"gone"` // the node must register again
}

// Assignment is all a worker needs to run a task.
type Assignment struct {
	Task  Task   `json:"task"`
	Stage Stage  `json:"stage"` // Inputs resolved to content hashes
	Round *Round `json:"round,omitempty"`
	At    int64  `json:"at_ms"`          // that the job's run is for
	Last  string `json:"last,omitempty"` // the plan of the head of the stage's line
}

// TasksReply is a worker's whole current set of assignments.
type TasksReply struct {
	Index       uint64       `json:"index"`
	Assignments []Assignment `json:"assignments"`
}

// LogLine is one line of a task's log.
type LogLine struct {
	Seq  uint64 `json:"seq"`
	Time int64  `json:"time_ms"`
	Task string `json:"task"`
	Text string `json:"text"`
}

// LogsReply is a page of a job's log; Next is the from of the next page.
type LogsReply struct {
	Lines []LogLine `json:"lines"`
	Next  uint64    `json:"next"`
}

// StatusReply says how the cluster is.
type StatusReply struct {
	Node    string   `json:"node"`
	Leader  string   `json:"leader"`
	Peers   []string `json:"peers"`
	Index   uint64   `json:"index"`
	Level   int      `json:"feature_level"`
	Version string   `json:"version"`
}
