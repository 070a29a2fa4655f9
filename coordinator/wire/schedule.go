package wire

import (
	"cmp"
	"time"

	"cohort/coordinator/cron"
)

// Schedule runs a job file by itself. Its name is the job's. It holds the time
// of its next firing, which the leader has reckoned: whoever applies commands
// reads no cron line.
type Schedule struct {
	Name     string       `json:"name"`
	Kind     string       `json:"kind"`
	Priority int          `json:"priority"`
	Spec     string       `json:"spec"`      // the job file's text as resolved by the client
	SpecHash string       `json:"spec_hash"` // SHA-256 of Spec, hex
	When     ScheduleSpec `json:"when"`      // with its defaults
	Paused   bool         `json:"paused"`
	Next     int64        `json:"next_ms"`        // of the firings, the first that is not settled; 0: none
	Last     int64        `json:"last_ms"`        // the newest that is
	Run      string       `json:"run"`            // job of the newest run, which may go on
	Waiting  []Firing     `json:"waiting"`        // firings to be started, the next first
	Runs     []Firing     `json:"runs"`           // the newest KeepFirings that came to an end of their wait, newest last
	Made     int          `json:"backfills_made"` // numbers them
	Meta
}

// KeepFirings is the length of a schedule's history, and of its queue.
const KeepFirings = 50

// FiringState is what became of a firing.
type FiringState string

// The states. All but waiting are for good.
const (
	FiringWaiting FiringState = "waiting" // for the run before, or to be started at once
	FiringStarted FiringState = "started"
	FiringSkipped FiringState = "skipped" // by overlap: the run before went on
	FiringMissed  FiringState = "missed"  // nobody led at that time, and catchup left it out
)

// Firing is one time at which a schedule was to run.
type Firing struct {
	At      int64       `json:"at_ms"` // the time that the run is for
	By      string      `json:"by"`    // cron, catchup or trigger
	State   FiringState `json:"state"`
	Reason  string      `json:"reason,omitempty"`
	Job     string      `json:"job,omitempty"`
	Settled int64       `json:"settled_ms"` // when it got its state
}

// What a firing came by.
const (
	ByCron    = "cron"
	ByCatchup = "catchup"
	ByTrigger = "trigger"
)

// Backfill runs a schedule's job once for each firing of a range of the past.
// It keeps the file and the line that the schedule had when it was made.
type Backfill struct {
	ID       string `json:"id"` // "SCHEDULE-bN"
	Schedule string `json:"schedule"`
	Kind     string `json:"kind"`
	Priority int    `json:"priority"` // of its runs
	Spec     string `json:"spec"`
	SpecHash string `json:"spec_hash"`
	Cron     string `json:"cron"`
	Zone     string `json:"zone"`

	From          int64 `json:"from_ms"` // firings in [From, To)
	To            int64 `json:"to_ms"`
	Parallel      int   `json:"parallel"` // runs at a time, at most
	StopOnFailure bool  `json:"stop_on_failure,omitempty"`

	Total   int      `json:"total"`   // firings in the range
	Next    int64    `json:"next_ms"` // the first that was not started; 0: none is left
	Active  []string `json:"active"`  // jobs that were not seen to end
	Started int      `json:"started"`
	Done    int      `json:"done"`
	Failed  int      `json:"failed"` // or stopped
	Status  Status   `json:"status"` // running, done, failed or stopped
	Reason  string   `json:"reason"`
	Created int64    `json:"created_ms"`
	Ended   int64    `json:"ended_ms"`
	Meta
}

// Overlap and catch-up policies.
const (
	OverlapSkip  = "skip"
	OverlapQueue = "queue"
	OverlapStop  = "stop"
	CatchupNone  = "none"
	CatchupLast  = "last"
	CatchupAll   = "all"
)

// Filled is s with its defaults: UTC, the last missed firing, skip.
func (s ScheduleSpec) Filled() ScheduleSpec {
	s.Zone = cmp.Or(s.Zone, "UTC")
	s.Catchup = cmp.Or(s.Catchup, CatchupLast)
	s.Overlap = cmp.Or(s.Overlap, OverlapSkip)
	return s
}

// Line is the cron line in its zone. The error names the field.
func (s ScheduleSpec) Line() (cron.Line, error) {
	zone, err := cron.Zone(s.Zone)
	if err != nil {
		return cron.Line{}, err
	}
	return cron.Parse(s.Cron, zone)
}

// Deadline is when the run of a firing at a time should have ended, Unix
// milliseconds; 0: none was set.
func (s ScheduleSpec) Deadline(at int64) int64 {
	d, err := time.ParseDuration(s.FinishBy)
	if err != nil {
		return 0
	}
	return at + d.Milliseconds()
}

func (d *decoder) checkSchedule(s ScheduleSpec) {
	if s == (ScheduleSpec{}) {
		return
	}
	if _, err := cron.Zone(s.Zone); err != nil {
		d.at("schedule.zone", "%v", err)
		s.Zone = ""
	}
	if s.Cron == "" {
		d.at("schedule.cron", "is missing: five fields such as \"0 3 * * 1\"")
	} else if _, err := s.Line(); err != nil {
		d.at("schedule.cron", "%v", err)
	}
	if s.Catchup != "" {
		d.oneOf("schedule.catchup", s.Catchup, CatchupNone, CatchupLast, CatchupAll)
	}
	if s.Overlap != "" {
		d.oneOf("schedule.overlap", s.Overlap, OverlapSkip, OverlapQueue, OverlapStop)
	}
	d.checkDuration("schedule.finish_by", s.FinishBy)
}
