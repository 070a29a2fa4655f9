package wire

// DeploySpec says how a model serves.
type DeploySpec struct {
	Replicas int    `yaml:"replicas" json:"replicas"`
	Strategy string `yaml:"strategy" json:"strategy,omitempty"` // blue-green | canary
	Canary   []int  `yaml:"canary" json:"canary,omitempty"`     // per cent of the traffic, step by step, before all of it
	Hold     string `yaml:"hold" json:"hold,omitempty"`         // how long each step is watched, such as 5m
	// Bounds of the live model: where one is broken for as long as For, traffic
	// goes back to the version before. 0 is off.
	ErrorRate   float64 `yaml:"error_rate" json:"error_rate"`
	P99MS       float64 `yaml:"p99_ms" json:"p99_ms"`
	Calibration float64 `yaml:"calibration" json:"calibration"` // |mean P − share right| of the answers that came in
	For         string  `yaml:"for" json:"for,omitempty"`
}

// DefaultDeploy is a deployment that says nothing more.
func DefaultDeploy() DeploySpec {
	return DeploySpec{Replicas: 2, Strategy: "blue-green", Canary: []int{10, 50}, Hold: "5m", ErrorRate: 0.02, P99MS: 250, Calibration: 0.15, For: "30s"}
}

// Route is a version's part of the traffic.
type Route struct {
	Version int `json:"version"`
	Percent int `json:"percent"` // of students; all routes sum to 100
}

// DeploymentStatus is where a deployment stands.
type DeploymentStatus string

// The statuses of a deployment.
const (
	Starting   DeploymentStatus = "starting"    // replicas of Next are not ready yet
	Shifting   DeploymentStatus = "shifting"    // Next has a part of the traffic
	Live       DeploymentStatus = "live"        // one version has all of it
	RolledBack DeploymentStatus = "rolled back" // likewise, and it is the one before
	Ended      DeploymentStatus = "ended"
)

// Deployment is what serves a model. Its replicas are tasks of jobs of kind
// serve, one job a version.
type Deployment struct {
	Model    string           `json:"model"`
	Status   DeploymentStatus `json:"status"`
	Reason   string           `json:"reason"`
	Routes   []Route          `json:"routes"`             // the traffic as it is; empty: none yet
	Next     int              `json:"next,omitempty"`     // version that is on its way; 0: none
	Previous int              `json:"previous,omitempty"` // that a rollback goes to; 0: none
	Jobs     map[int]string   `json:"jobs"`               // version → job whose tasks are its replicas
	Spec     DeploySpec       `json:"spec"`
	Auto     bool             `json:"auto"`             // the leader moves traffic as the strategy says
	Moved    int64            `json:"moved_ms"`         // when Routes last changed
	Started  int64            `json:"started_ms"`       // when Next was put on its way
	Undone   bool             `json:"undone,omitempty"` // the leader itself has taken Next's traffic back
	// Forced is the reason for which an admin passed over the gates of Next.
	Forced string `json:"forced,omitempty"`
	Meta
}

// Share is a version's part of the traffic, per cent.
func (d *Deployment) Share(version int) int {
	for _, r := range d.Routes {
		if r.Version == version {
			return r.Percent
		}
	}
	return 0
}

// Base is the version that answers beside, or before, the one on its way; 0: none.
func (d *Deployment) Base() int {
	best := Route{}
	for _, r := range d.Routes {
		if r.Version != d.Next && r.Percent > best.Percent {
			best = r
		}
	}
	return best.Version
}

// Serves reports whether the task is a replica that is ready.
func (k *Task) Serves() bool { return k.Status == Running && k.Addr != "" }

// ServeSettings are of the stage that is a replica, of run kind service.
// Inputs: "weights", "manifest".
type ServeSettings struct {
	Model     string `json:"model"`
	Version   int    `json:"version"`
	Signature []byte `json:"signature"`
	Public    []byte `json:"public"` // key that must have signed
}

// TaskReady says that a service's task serves at an address. It holds until the
// task's token ends.
type TaskReady struct {
	Task  string `json:"task"`
	Token uint64 `json:"token"`
	Addr  string `json:"addr"` // HOST:PORT of its HTTP listener; empty: no longer ready
}

// StartDeployment starts replicas of a version beside those that serve. Job and
// Stages are its service as the leader expanded it. Where Auto and the version
// is to take traffic, gates are checked as with Promote.
type StartDeployment struct {
	Model      string     `json:"model"`
	Version    int        `json:"version"`
	Spec       DeploySpec `json:"spec"`
	Auto       bool       `json:"auto"`
	Force      bool       `json:"force,omitempty"`
	Admin      bool       `json:"admin,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Job        Job        `json:"job"`
	Stages     []Stage    `json:"stages"`
	CheckIndex uint64     `json:"check_index,omitempty"` // of the deployment
}

// MoveTraffic changes who answers. It is refused unless each version with a part
// has a ready replica under a live token. A version that gets all of it goes
// into production in the same write, gates checked as with Promote; with
// Rollback the version before comes back to both.
type MoveTraffic struct {
	Model      string  `json:"model"`
	Routes     []Route `json:"routes"`
	Rollback   bool    `json:"rollback,omitempty"` // Routes are Apply's then
	Auto       bool    `json:"auto,omitempty"`     // the leader's, by the strategy; a person's split ends that
	Force      bool    `json:"force,omitempty"`
	Admin      bool    `json:"admin,omitempty"`
	Reason     string  `json:"reason,omitempty"`
	CheckIndex uint64  `json:"check_index,omitempty"` // of the deployment
}

// StopDeployment ends the replicas of a version, which must have no traffic, or
// all of them.
type StopDeployment struct {
	Model      string `json:"model"`
	Version    int    `json:"version,omitempty"` // 0: all
	Reason     string `json:"reason,omitempty"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// Attempt is one answer of a student as a client sends it. ID makes it count
// once, however often it is sent.
type Attempt struct {
	ID      string `json:"id"`
	Student string `json:"student"`
	Item    string `json:"item,omitempty"`
	Skill   string `json:"skill"`
	Correct bool   `json:"correct"`
	Time    int64  `json:"time_us,omitempty"`    // 0: when it came in
	Elapsed int64  `json:"elapsed_ms,omitempty"` // 0: unknown
	Seq     uint64 `json:"seq,omitempty"`        // position in the log, from 1; given by Apply
}

// AppendAttempts adds to the attempt log. Those whose ID the log knows are left out.
type AppendAttempts struct {
	Attempts []Attempt `json:"attempts"`
}

// SealAttempts puts the log's oldest attempts, up to a position, into a blob
// that the leader has made durable before.
type SealAttempts struct {
	Segment AttemptSegment `json:"segment"`
}

// AttemptSegment is a sealed part of the attempt log: JSON lines of Attempt, zstd.
type AttemptSegment struct {
	First uint64 `json:"first"` // Seq of the first attempt
	Last  uint64 `json:"last"`
	Hash  string `json:"hash"`
	Bytes int64  `json:"bytes"`
	Meta
}
