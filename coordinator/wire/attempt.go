package wire

// Requests and replies of the attempts' and the gateway's part of the API.
//
//	POST /v1/students/{student}/attempts  an attempt, or {"attempts": […]}  AttemptsReply
//	POST /v1/attempts/seal?after=SEQ      -                                 SealReply
//	GET  /v1/attempts                     -                                 AttemptLog
//	GET  /v1/gateway/status               -                                 GatewayStatus
//	POST /v1/gateway/stats                GatewayReport                     - (a follower's, to the leader)
//	/invocations, /ping, /health, /version                                  a replica's answer
//
// Which model is asked is said by the header Cohort-Model or by ?model=NAME; it
// may be left out where one is deployed.

// HeaderModel names the model that a request is for.
const HeaderModel = "Cohort-Model"

// HeaderDegraded is set, to "true", on answers of a gateway that has not heard of
// a leader for ten seconds and goes on by the last routes it knows.
const HeaderDegraded = "Cohort-Degraded"

// AttemptLog is where the attempt log stands.
type AttemptLog struct {
	Last   uint64 `json:"last"`      // Seq of the newest attempt; 0: none
	Sealed uint64 `json:"sealed"`    // Seq of the last one in a segment; those after it are in the state
	Known  int    `json:"known"`     // sealed attempts whose ids are still in the state
	Oldest int64  `json:"oldest_ms"` // when the first one that is not sealed came in; 0: all are sealed
	Time   int64  `json:"time_us"`   // the latest time given to an attempt without one
}

// Logged is where an attempt stands in the log.
type Logged struct {
	Seq   uint64 `json:"seq"`
	Index uint64 `json:"index"` // of the command that brought it; 0 once it is sealed
}

// AttemptsReply says what became of attempts, and what the model says after the
// last of them.
type AttemptsReply struct {
	Student  string             `json:"student"`
	Accepted int                `json:"accepted"` // attempts now in the log, those sent before among them
	Model    *ServedModel       `json:"model"`    // null: none answered; Why says why
	P        map[string]float64 `json:"p,omitempty"`
	Next     *Advice            `json:"next,omitempty"`
	Why      string             `json:"why,omitempty"`
}

// ServedModel is who answered.
type ServedModel struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
}

// Advice is the skill to be asked next, and P(correct) of it.
type Advice struct {
	Skill string  `json:"skill"`
	P     float64 `json:"p"`
}

// SealReply lists sealed segments, in order, without gaps.
type SealReply struct {
	Segments []AttemptSegment `json:"segments"`
}

// LiveWindow is what one gateway saw of a version lately, so that what several
// saw can be added up.
type LiveWindow struct {
	Since     int64   `json:"since_ms"`
	Requests  int64   `json:"requests"`
	Errors    int64   `json:"errors"`
	Latency   []int64 `json:"latency"` // counts by bucket of the gateway's histogram
	Predicted float64 `json:"predicted"`
	Right     int64   `json:"right"`
	Answers   int64   `json:"answers"`
}

// GatewayReport is what a gateway tells the leader each second.
type GatewayReport struct {
	Gateway string                        `json:"gateway"` // coordinator's id
	Models  map[string]map[int]LiveWindow `json:"models"`  // by model and version
}

// GatewayStatus is how a gateway fares.
type GatewayStatus struct {
	Gateway  string         `json:"gateway"`
	Degraded bool           `json:"degraded"`
	Leader   bool           `json:"leader"`
	Silence  float64        `json:"silence_s"` // since it last heard of a leader
	Models   []GatewayModel `json:"models"`
}

// GatewayModel is a model that a gateway routes to.
type GatewayModel struct {
	Model    string           `json:"model"`
	Routes   []Route          `json:"routes"`
	Replicas []GatewayReplica `json:"replicas"`
	Live     []LiveStats      `json:"live"`
}

// GatewayReplica is a replica as a gateway sees it.
type GatewayReplica struct {
	Version     int    `json:"version"`
	Addr        string `json:"addr"`
	Outstanding int64  `json:"outstanding"`
	Shunned     bool   `json:"shunned,omitempty"` // it failed a moment ago and is asked last
}
