package quality

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Report says what a dataset is like, and whether it passed.
type Report struct {
	Version     int           `json:"version"`
	Name        string        `json:"name"`
	At          int64         `json:"at"` // Unix milliseconds
	OK          bool          `json:"ok"`
	Failure     string        `json:"failure,omitempty"` // the gates that failed, in one line
	Rows        Counts        `json:"rows"`
	Clock       Clock         `json:"clock"`
	Events      int64         `json:"events"` // kept, as all below
	Students    int64         `json:"students"`
	Skills      int           `json:"skills"`
	Right       int64         `json:"right"`
	Quarantined []Quarantined `json:"quarantined"`
	Gates       []Gate        `json:"gates"`
	Drift       *Drift        `json:"drift,omitempty"`
}

// Quarantined counts events that are not to be learnt from.
type Quarantined struct {
	Reason string `json:"reason"`
	Events int64  `json:"events"`
}

// Gate is one check.
type Gate struct {
	Name   string   `json:"name"`
	Status Status   `json:"status"`
	Value  *float64 `json:"value,omitempty"`
	Bound  *float64 `json:"bound,omitempty"`
	Text   string   `json:"text"`
	Lines  []string `json:"lines,omitempty"` // details
}

// Status is what a gate says.
type Status string

// The statuses. Only a failed gate stops a pipeline.
const (
	Passed        Status = "passed"
	Failed        Status = "failed"
	Noted         Status = "noted"          // counted, without a bound
	Off           Status = "off"            // no bound is set
	NotApplicable Status = "not applicable" // there is no data for it
)

// reportVersion is raised when the same dataset has another report.
const reportVersion = 1

// conclude sums the gates up.
func (r *Report) conclude() {
	var failed []string
	for _, g := range r.Gates {
		if g.Status == Failed {
			failed = append(failed, g.Text)
		}
	}
	r.OK = len(failed) == 0
	r.Failure = strings.Join(failed, "; and ")
}

// Err is nil for a dataset that passed; otherwise it says, in one line, which
// numbers were out of bounds.
func (r *Report) Err() error {
	if r.OK {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrFailed, r.Failure)
}

// ErrFailed says that a dataset is not fit to learn from.
var ErrFailed = errors.New("the dataset did not pass")

// QuarantinedEvents is how many events a Filter will part.
func (r *Report) QuarantinedEvents() (n int64) {
	for _, q := range r.Quarantined {
		n += q.Events
	}
	return n
}

// Encode writes a report as JSON; equal reports have equal bytes.
func (r *Report) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return append(data, '\n'), nil
}

// ErrReport says that bytes are no report of this version.
var ErrReport = errors.New("no report")

// DecodeReport reads what Encode wrote; anything else is ErrReport.
func DecodeReport(data []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	if r.Version != reportVersion {
		return nil, fmt.Errorf("%w: version %d, this binary reads %d", ErrReport, r.Version, reportVersion)
	}
	return r, nil
}
