package wire

import (
	"encoding/json"
	"math"
	"strings"
)

// Number identifies a command for ever: append, never renumber or reuse.
type Number uint16

// The commands.
const (
	CmdRegisterNode  Number = 1
	CmdNodeStatus    Number = 2
	CmdSubmitJob     Number = 3
	CmdStopJob       Number = 4
	CmdAssign        Number = 5
	CmdTaskResult    Number = 6
	CmdReleaseTasks  Number = 7
	CmdPutCheckpoint Number = 8
	CmdAddStages     Number = 9
	CmdFeatureLevel  Number = 10
	CmdPutPlan       Number = 11
	CmdRetryJob      Number = 12

	CmdPutSchedule     Number = 20
	CmdSetSchedule     Number = 21
	CmdFireSchedule    Number = 22
	CmdStartRun        Number = 23
	CmdTriggerSchedule Number = 24
	CmdDeleteSchedule  Number = 25
	CmdPutBackfill     Number = 26
	CmdStopBackfill    Number = 27
	CmdStepBackfill    Number = 28
	CmdWarnJob         Number = 29

	CmdCloseFan Number = 30

	CmdPutKey        Number = 40
	CmdPromote       Number = 41
	CmdSetModel      Number = 42
	CmdDeleteVersion Number = 43

	CmdTaskReady       Number = 50
	CmdStartDeployment Number = 51
	CmdMoveTraffic     Number = 52
	CmdStopDeployment  Number = 53
	CmdAppendAttempts  Number = 54
	CmdSealAttempts    Number = 55

	CmdPutAlerts  Number = 60
	CmdAckAlert   Number = 61
	CmdPutSilence Number = 62
)

// FeatureLevel is the highest level of commands this binary knows. A leader
// proposes no command above the level that the state holds.
const FeatureLevel = 3

// Level is the feature level that a command came with. New commands get a
// higher one, together with a higher FeatureLevel.
func (n Number) Level() int {
	switch {
	case n <= CmdFeatureLevel:
		return 1
	case n <= CmdWarnJob:
		return 2
	case n <= CmdPutSilence:
		return 3
	}
	return math.MaxInt
}

// levelOf is the feature level that a graph of stages needs: coordinators below 3
// know neither fans nor a model as an input, and would run them as they stand.
func levelOf(stages []Stage) int {
	for _, s := range stages {
		if s.Fan || s.Of != "" {
			return 3
		}
		for _, from := range s.Inputs {
			if strings.HasPrefix(from, ModelInput) {
				return 3
			}
		}
	}
	return 1
}

// ModelInput begins an input that is the weights of a model in production.
const ModelInput = "@"

// Level is that of the job's stages.
func (c SubmitJob) Level() int { return levelOf(c.Stages) }

// Level is that of the run's stages.
func (c StartRun) Level() int { return levelOf(c.Stages) }

// Level is that of the run's stages.
func (c TriggerSchedule) Level() int { return levelOf(c.Stages) }

// Level is that of the run's stages.
func (c StepBackfill) Level() int { return levelOf(c.Stages) }

// Envelope is what a Raft log entry holds, as JSON.
type Envelope struct {
	Number  Number          `json:"n"`
	Version int             `json:"v"`              // of the body's shape
	Time    int64           `json:"t"`              // the leader's clock, Unix milliseconds
	Actor   string          `json:"actor"`          // who asked: a user, a node, "leader"
	Request string          `json:"rid,omitempty"`  // request id: a repeated one gives the first answer
	Body    json.RawMessage `json:"body,omitempty"` // one of the structs below

	// Needs is the feature level of what the body holds, where that is above the
	// number's; for the one who proposes.
	Needs int `json:"-"`
}

// RegisterNode makes a worker known, or known again under a new session. Tasks
// held under an older session of the node go back to pending.
type RegisterNode struct {
	Node Node `json:"node"`
}

// SetNodeStatus drains, revives or writes off a node. A node that goes down
// loses its tasks to pending with CauseNode.
type SetNodeStatus struct {
	Node       string     `json:"node"`
	Session    string     `json:"session"` // empty: whichever is current
	Status     NodeStatus `json:"status"`
	Reason     string     `json:"reason"`
	CheckIndex uint64     `json:"check_index,omitempty"`
}

// SubmitJob stores a job with its expanded graph. The leader expands; Apply
// only stores, so that a newer binary replays an older log to the same state.
type SubmitJob struct {
	Job    Job     `json:"job"`
	Stages []Stage `json:"stages"`
}

// StopJob ends a job by a person's word.
type StopJob struct {
	Job        string `json:"job"`
	Reason     string `json:"reason"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// Placement gives one task to one node.
type Placement struct {
	Task    string    `json:"task"`
	Node    string    `json:"node"`
	Session string    `json:"session"` // refused when the node has another by now
	Granted Resources `json:"granted"`
}

// Assign places tasks. The entry's index is each task's token. With Gang set
// the placements are all tasks of one stage, and a Round is made with the same
// index as its number; either all are placed or none.
type Assign struct {
	Placements []Placement `json:"placements"`
	Gang       bool        `json:"gang"`
}

// TaskResult ends one attempt. It is refused when Token is not the task's
// current one. Error is empty on success.
type TaskResult struct {
	Task    string            `json:"task"`
	Token   uint64            `json:"token"`
	Error   string            `json:"error,omitempty"`
	Cause   Cause             `json:"cause,omitempty"`
	Outputs map[string]string `json:"outputs,omitempty"`
	Result  json.RawMessage   `json:"result,omitempty"`
	Dataset *Dataset          `json:"dataset,omitempty"` // an import's record
	// Features is a features stage's record.
	Features *FeatureSet `json:"features,omitempty"`
	// Evaluation is an evaluate stage's record, Version a register stage's; the
	// latter's number and signature are the leader's to give.
	Evaluation *Evaluation   `json:"evaluation,omitempty"`
	Version    *ModelVersion `json:"version,omitempty"`
}

// ReleaseTasks takes tasks from their holders: a lease that ended, a drain.
// A task whose token is not the one named keeps its holder.
type ReleaseTasks struct {
	Tasks []TokenOf `json:"tasks"`
	Cause Cause     `json:"cause"`
}

// TokenOf names an assignment.
type TokenOf struct {
	Task  string `json:"task"`
	Token uint64 `json:"token"`
}

// PutCheckpoint moves a gang stage's checkpoint pointer. Any member of the
// stage's current round may send it; an older position is ignored.
type PutCheckpoint struct {
	Task       string     `json:"task"`
	Token      uint64     `json:"token"`
	Checkpoint Checkpoint `json:"checkpoint"`
}

// AddStages adds stages to a running graph (fan-outs, backfills).
type AddStages struct {
	Job    string  `json:"job"`
	Stages []Stage `json:"stages"`
}

// SetFeatureLevel raises the feature level once all voters report it.
type SetFeatureLevel struct {
	Level int `json:"level"`
}

// PutPlan commits what a stage will read, before it reads it. The first plan of
// a stage stands; the outcome's ID is the plan that holds. Where that is one that
// was carried out before, the stage is done with its result, and Reused is set.
type PutPlan struct {
	Task  string `json:"task"`
	Token uint64 `json:"token"`
	Plan  string `json:"plan"` // content hash
}

// RetryJob takes a job that has ended up again. Stages that are done stay so,
// but From and all that wait for it are run again; with From empty, only what is
// not done.
type RetryJob struct {
	Job        string `json:"job"`
	From       string `json:"from,omitempty"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// Outcome is what Apply answers: the same on every replica.
type Outcome struct {
	Index  uint64 `json:"index"`
	Code   Code   `json:"code"`             // OK, or why the command changed nothing
	Error  string `json:"error,omitempty"`  // one line
	ID     string `json:"id,omitempty"`     // of the record made or changed
	Reused bool   `json:"reused,omitempty"` // of PutPlan
}

// Code is an error class at the edge: one mapping to HTTP status and exit code.
type Code string

// The codes.
const (
	OK           Code = ""
	CodeInvalid  Code = "invalid"     // 400, exit 1 (2 for flags)
	CodeGate     Code = "gate"        // 412, exit 3
	CodeNotFound Code = "not_found"   // 404, exit 4
	CodeConflict Code = "conflict"    // 409, exit 5
	CodeDenied   Code = "denied"      // 403, exit 6
	CodeNoLeader Code = "unavailable" // 503, exit 7
	CodeInternal Code = "internal"    // 500, exit 1
)

// Error is an Outcome or reply that is not OK, as a Go error.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"error"`
}

func (e *Error) Error() string { return e.Message }
