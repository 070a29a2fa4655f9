package wire

// PutSchedule stores a schedule, or replaces the file, the times and the
// policies of the one of that name. What has run, what waits and whether it is
// paused stay; so does Next where cron line and zone are the same.
type PutSchedule struct {
	Schedule   Schedule `json:"schedule"`
	CheckIndex uint64   `json:"check_index,omitempty"`
}

// SetSchedule pauses a schedule or resumes it. Firings while it is paused do
// not happen; Next, of a resumed one, is the first after that time.
type SetSchedule struct {
	Name       string `json:"name"`
	Paused     bool   `json:"paused"`
	Next       int64  `json:"next_ms,omitempty"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// FireSchedule settles what becomes of the firings from At up to Next. It is
// refused unless the schedule's Next is At, so that each firing is settled once,
// whoever leads. A firing that waits already and is named again leaves the queue.
type FireSchedule struct {
	Schedule string   `json:"schedule"`
	At       int64    `json:"at_ms"`
	Next     int64    `json:"next_ms"`
	Firings  []Firing `json:"firings"`
}

// StartRun starts the first of a schedule's waiting firings. It is refused while
// the run before goes on, unless Stop names that one, which is then stopped. A
// firing whose file can't be run has an Error, and is skipped with it.
type StartRun struct {
	Schedule string  `json:"schedule"`
	At       int64   `json:"at_ms"`
	By       string  `json:"by"`
	Stop     string  `json:"stop,omitempty"`
	Error    string  `json:"error,omitempty"`
	Job      Job     `json:"job"`
	Stages   []Stage `json:"stages"`
}

// TriggerSchedule runs a schedule's job at a person's word, At now. Where the
// run before goes on, the overlap policy holds: refused, queued, or that run is
// stopped.
type TriggerSchedule struct {
	Schedule string  `json:"schedule"`
	At       int64   `json:"at_ms"`
	Job      Job     `json:"job"`
	Stages   []Stage `json:"stages"`
}

// DeleteSchedule forgets a schedule, what waits of it and its backfills. What
// runs goes on.
type DeleteSchedule struct {
	Name       string `json:"name"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// PutBackfill begins a backfill. Apply gives it its id.
type PutBackfill struct {
	Backfill Backfill `json:"backfill"`
}

// StopBackfill ends a backfill and the runs of it that go on.
type StopBackfill struct {
	ID         string `json:"id"`
	Reason     string `json:"reason"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// StepBackfill counts a backfill's runs that have ended and, with At not 0,
// starts the one for that time. It is refused unless At is the backfill's Next
// and a run may start; without At, unless a run has ended. A time whose file
// can't be run has an Error and counts as failed.
type StepBackfill struct {
	ID     string  `json:"id"`
	At     int64   `json:"at_ms,omitempty"`
	Next   int64   `json:"next_ms,omitempty"` // the time after At
	Error  string  `json:"error,omitempty"`
	Job    Job     `json:"job"`
	Stages []Stage `json:"stages"`
}

// WarnJob notes what a person should look at though nothing failed. A job that
// has ended, or has that warning, is left as it is.
type WarnJob struct {
	Job     string `json:"job"`
	Warning string `json:"warning"`
}
