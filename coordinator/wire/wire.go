// Package wire is the contract of the control plane: job specifications, the
// records that the replicated state holds, the commands that change them, and
// the requests and replies of the HTTP API. It holds data only.
package wire

// Status is where a job, a stage or a task stands.
type Status string

// The statuses. Done, Failed and Stopped are final.
const (
	Pending Status = "pending"
	Running Status = "running"
	Done    Status = "done"
	Failed  Status = "failed"
	Stopped Status = "stopped"
)

// Final reports whether nothing changes the status any more.
func (s Status) Final() bool { return s == Done || s == Failed || s == Stopped }

// RunKind says how a stage's tasks relate to each other.
type RunKind string

// Batch tasks run each for itself; a gang's tasks start all or none and share
// a round; a service runs until its job is stopped.
const (
	Batch   RunKind = "batch"
	Gang    RunKind = "gang"
	Service RunKind = "service"
)

// StageKind names what a stage's tasks do.
type StageKind string

// The built-in stage kinds. Noop ends at once; Idle runs until stopped.
const (
	StageImport StageKind = "import"
	StageShard  StageKind = "shard"
	StageTrain  StageKind = "train"
	StageTest   StageKind = "test"
	StageNoop   StageKind = "noop"
	StageIdle   StageKind = "idle"

	StageExtract  StageKind = "extract"
	StageValidate StageKind = "validate"
	StageFeatures StageKind = "features"
	StageExec     StageKind = "exec"

	StageTune     StageKind = "tune"
	StageTrial    StageKind = "trial"
	StageCross    StageKind = "cross-validate"
	StageEvaluate StageKind = "evaluate"
	StageRegister StageKind = "register"
	StagePromote  StageKind = "promote"
	StageCompare  StageKind = "compare"
	StageServe    StageKind = "serve"
)

// StageVersion is of what a stage of a kind does; 0: its results are not kept.
// Raise it when the same inputs come to other bytes: earlier results are then
// not taken any more (a golden test notices).
func StageVersion(k StageKind) int {
	switch k {
	case StageExtract, StageValidate, StageFeatures, StageShard, StageTrain, StageTest, StageExec,
		StageTune, StageTrial, StageCross:
		return 1
	case StageImport, StageNoop, StageIdle, StageEvaluate, StageRegister, StagePromote, StageCompare, StageServe:
	}
	return 0
}

// Cause says why a task ended without a result; it decides whose retries the
// loss uses up. Only CauseTask counts against the stage's retries.
type Cause string

// The causes.
const (
	CauseNone    Cause = ""
	CauseTask    Cause = "task"    // the task's own failure, worth a retry
	CauseFatal   Cause = "fatal"   // the task's own failure, no retry can help (bad input)
	CausePeer    Cause = "peer"    // a gang member lost another member
	CauseLease   Cause = "lease"   // the worker's lease ran out
	CauseNode    Cause = "node"    // the worker left or died
	CauseDrain   Cause = "drain"   // the worker gave the task back
	CauseGate    Cause = "gate"    // the data or the model is not good enough, no retry can help
	CauseStopped Cause = "stopped" // a person stopped the job
)

// Resources are what a node has or a task needs.
type Resources struct {
	Cores    int   `json:"cores"`
	MemoryMB int64 `json:"memory_mb"`
}
