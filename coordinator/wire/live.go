package wire

// LiveStats are what the gateways saw of a version that answers. Requests,
// Errors and P99MS are of the last ten seconds or so, from Since on; the answers
// are the version's last thousand at most, none older than five minutes, since
// there are fewer of them.
type LiveStats struct {
	Version  int     `json:"version"`
	Since    int64   `json:"since_ms"` // Unix milliseconds
	Requests int64   `json:"requests"`
	Errors   int64   `json:"errors"` // requests that no replica answered as it should
	P99MS    float64 `json:"p99_ms"`
	// Predicted sums P(correct) before each answer that came in, Right counts those
	// that were correct, Answers all.
	Predicted float64 `json:"predicted"`
	Right     int64   `json:"right"`
	Answers   int64   `json:"answers"`
}

// ErrorRate is the share of requests that failed, 0 without any.
func (s LiveStats) ErrorRate() float64 {
	if s.Requests == 0 {
		return 0
	}
	return float64(s.Errors) / float64(s.Requests)
}

// Calibration is |mean P − share right|, 0 without answers.
func (s LiveStats) Calibration() float64 {
	if s.Answers == 0 {
		return 0
	}
	off := (s.Predicted - float64(s.Right)) / float64(s.Answers)
	return max(off, -off)
}
