package wire

// Requests and replies of the schedules' part of the API.

// ScheduleRequest carries a job file with a schedule, as SubmitRequest does.
type ScheduleRequest struct {
	Spec       string `json:"spec"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// CheckRequest is a write that says no more than what it expects.
type CheckRequest struct {
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// TriggerReply names the job. Waiting: it starts when the run before has ended.
type TriggerReply struct {
	ID      string `json:"id"`
	Waiting bool   `json:"waiting"`
	Index   uint64 `json:"index"`
}

// BackfillRequest names firings in [From, To): 2006-01-02, which is a day's
// beginning in the schedule's zone, or RFC 3339. Priority nil is 50 below the
// schedule's.
type BackfillRequest struct {
	From          string `json:"from"`
	To            string `json:"to"`
	Parallel      int    `json:"parallel"`
	Priority      *int   `json:"priority,omitempty"`
	StopOnFailure bool   `json:"stop_on_failure,omitempty"`
}

// FiringView is a firing with how its job stands.
type FiringView struct {
	Firing
	Status  Status `json:"status,omitempty"` // of the job; empty: there is none
	Problem string `json:"problem,omitempty"`
	Warning string `json:"warning,omitempty"`
	Ended   int64  `json:"ended_ms,omitempty"`
}

// BackfillView is a backfill with its runs counted by now.
type BackfillView struct {
	Backfill
	Running int `json:"running"`
	Left    int `json:"left"` // not started
}

// ScheduleView is a schedule as a person or a program sees it: History has both
// what waits and what does not any more, in the order of settling, the newest last.
type ScheduleView struct {
	Schedule
	History   []FiringView   `json:"history"`
	Backfills []BackfillView `json:"backfills"`
}
