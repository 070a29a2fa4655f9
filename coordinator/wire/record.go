package wire

import "encoding/json"

// Meta is the part every record carries: the Raft indexes that made and last
// changed it.
type Meta struct {
	CreateIndex uint64 `json:"create_index"`
	ModifyIndex uint64 `json:"modify_index"`
}

// Job is one submitted job: a graph of stages.
type Job struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Priority int    `json:"priority"`
	Status   Status `json:"status"`
	Reason   string `json:"reason"`    // what a person should know or do, in any non-terminal or failed state
	Spec     string `json:"spec"`      // the job file's text as resolved by the client
	SpecHash string `json:"spec_hash"` // SHA-256 of Spec, hex
	// At is the time that the run is for: of its firing, or of its submission.
	At       int64  `json:"at_ms,omitempty"`
	Schedule string `json:"schedule,omitempty"` // that fired it
	Warning  string `json:"warning,omitempty"`  // what a person should look at though nothing failed
	// Times are the leader's, Unix milliseconds; zero is not yet.
	Submitted int64 `json:"submitted_ms"`
	Ended     int64 `json:"ended_ms"`
	Meta
}

// Stage is a node of a job's graph.
type Stage struct {
	Job   string    `json:"job"`
	Name  string    `json:"name"`
	Kind  StageKind `json:"kind"`
	Run   RunKind   `json:"run"`
	Order int       `json:"order,omitempty"` // among the job's stages: each after those it waits for
	After []string  `json:"after"`           // names of stages that must be done first
	Waits int       `json:"-"`               // not 0: stages that it waits for are not done; derived
	// Inputs are name → content hash, or a reference: "STAGE/OUTPUT" of an earlier
	// stage; "^OUTPUT" of the newest result of the same Line; "~OUTPUT" likewise,
	// where it only saves work and moves no byte of the result; "@MODEL" the weights
	// of the model's version in production, left out where there is none.
	Inputs map[string]string `json:"inputs"`
	// Line names the runs of one stage that build on each other ("validate/NAME").
	Line     string          `json:"line,omitempty"`
	Settings json.RawMessage `json:"settings"` // ImportSettings, ShardSettings, …
	Tasks    int             `json:"tasks"`
	Fan      bool            `json:"fan,omitempty"`    // a fan: stages are added that it waits for, until CloseFan gives it their results as its inputs
	Closed   bool            `json:"closed,omitempty"` // of a fan: no more are added
	// Of names the stage that this one is a part of: what it came to stands in that
	// one's result, not in the job's. Where that one is a fan, a failure is a result
	// like any other and does not fail the job.
	Of        string    `json:"of,omitempty"`
	Retries   int       `json:"retries"` // failures of a task's own that are retried
	Resources Resources `json:"resources"`
	Version   int       `json:"version,omitempty"`    // of what the kind does: raised when its output's bytes change; 0: never reused
	Timeout   int64     `json:"timeout_ms,omitempty"` // of one attempt; 0: none

	// Key addresses the result: kind, version, settings, inputs and, of an
	// extract, the plan. Set when the stage is ready (an extract: has a plan).
	Key      string            `json:"key,omitempty"`
	Plan     string            `json:"plan,omitempty"`     // content hash of what an extract reads, committed before it is read
	Resolved map[string]string `json:"resolved,omitempty"` // Inputs when the stage became ready, references replaced
	Fresh    bool              `json:"fresh,omitempty"`    // run though nothing has changed
	Reused   string            `json:"reused,omitempty"`   // "JOB/STAGE" whose result this is: nothing has changed since

	Status     Status            `json:"status"`
	Reason     string            `json:"reason"`
	Outputs    map[string]string `json:"outputs"` // name → content hash
	Result     json.RawMessage   `json:"result,omitempty"`
	Round      uint64            `json:"round"` // a gang's newest round, 0 before the first
	Checkpoint *Checkpoint       `json:"checkpoint,omitempty"`
	Cause      Cause             `json:"cause,omitempty"` // of a failed stage
	Started    int64             `json:"started_ms"`
	Ended      int64             `json:"ended_ms"`
	Meta
}

// Kept is the result of a stage that ended well: a stage of the same Key is not
// run again.
type Kept struct {
	Key     string            `json:"key"`
	Job     string            `json:"job"`
	Stage   string            `json:"stage"`
	Outputs map[string]string `json:"outputs"`
	Result  json.RawMessage   `json:"result,omitempty"`
	Meta
}

// Head is the newest result of a line of stages.
type Head struct {
	Line    string            `json:"line"`
	Bare    string            `json:"bare"`   // key of its stage without "^" inputs
	Inputs  map[string]string `json:"inputs"` // as resolved
	Plan    string            `json:"plan,omitempty"`
	Outputs map[string]string `json:"outputs"`
	Job     string            `json:"job"`
	Stage   string            `json:"stage"`
	Meta
}

// Task is a unit of placement. Its ID is "JOB/STAGE/INDEX".
type Task struct {
	ID       string    `json:"id"`
	Job      string    `json:"job"`
	Stage    string    `json:"stage"`
	Index    int       `json:"index"`
	Status   Status    `json:"status"`
	Reason   string    `json:"reason"`
	Node     string    `json:"node"`
	Token    uint64    `json:"token"` // Raft index of the assignment; the fencing token
	Granted  Resources `json:"granted"`
	Attempt  int       `json:"attempt"`         // assignments so far
	Failures int       `json:"failures"`        // own failures so far
	Pause    int64     `json:"not_before_ms"`   // back-off: not placed before this leader time
	Error    string    `json:"error"`           // the last own failure
	Cause    Cause     `json:"cause,omitempty"` // of it
	Addr     string    `json:"addr,omitempty"`  // where a service's task is ready to serve, HOST:PORT; ends with the token
	Meta
}

// Round is one membership of a gang (DESIGN 6). Its Number is the Raft index
// of the record; every frame between members carries it.
type Round struct {
	Job     string   `json:"job"`
	Stage   string   `json:"stage"`
	Number  uint64   `json:"number"`
	Members []Member `json:"members"` // in rank order
	From    string   `json:"from"`    // checkpoint hash to start at, empty for the beginning
	Meta
}

// Member is one seat of a round.
type Member struct {
	Task string `json:"task"`
	Node string `json:"node"`
	Addr string `json:"addr"` // the worker's member listener, HOST:PORT
}

// Checkpoint points at a durable training state in the blob store.
type Checkpoint struct {
	Hash  string `json:"hash"` // of the checkpoint's manifest blob
	Epoch int    `json:"epoch"`
	Step  int    `json:"step"`
	Round uint64 `json:"round"`
}

// Role says what a node does.
type Role string

// The roles.
const (
	RoleCoordinator Role = "coordinator"
	RoleWorker      Role = "worker"
)

// NodeStatus is whether tasks may be placed on a node.
type NodeStatus string

// The node statuses.
const (
	NodeReady    NodeStatus = "ready"
	NodeDraining NodeStatus = "draining"
	NodeDown     NodeStatus = "down"
)

// Node is a worker known to the cluster. Session is drawn by the process at
// each start, so that a restarted worker is a new holder of leases.
type Node struct {
	ID        string     `json:"id"`
	Session   string     `json:"session"`
	Role      Role       `json:"role"`
	Addr      string     `json:"addr"` // member listener for gangs, HOST:PORT
	Resources Resources  `json:"resources"`
	Version   string     `json:"version"`
	Kernels   string     `json:"kernels"`        // kernel path in use: avx512, avx2, portable
	Exec      bool       `json:"exec,omitempty"` // it allows exec stages
	Status    NodeStatus `json:"status"`
	Reason    string     `json:"reason"`
	Meta
}

// Dataset is an imported event log in the lake.
type Dataset struct {
	ID       string `json:"id"`       // content hash of the dataset's manifest
	Name     string `json:"name"`     // what the person called it
	Events   int64  `json:"events"`   // rows kept
	Students int64  `json:"students"` // distinct masked students
	Skills   int64  `json:"skills"`
	Mask     string `json:"mask"` // fingerprint of the mask key
	Created  int64  `json:"created_ms"`
	Meta
}

// FeatureSet is a set of feature tables in the lake.
type FeatureSet struct {
	ID       string `json:"id"`       // content hash of its manifest
	Name     string `json:"name"`     // of the pipeline that made it
	Dataset  string `json:"dataset"`  // that it was made of
	Cut      int64  `json:"cut"`      // microseconds: events at or after it are not seen; 0: all are
	Students int64  `json:"students"` // rows of the tables
	Items    int64  `json:"items"`
	Created  int64  `json:"created_ms"`
	Job      string `json:"job"` // that made it last
	Meta
}
