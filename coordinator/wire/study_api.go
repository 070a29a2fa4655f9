package wire

import "encoding/json"

// StudyView is a study as a person or a program sees it.
//
//	GET /v1/studies?limit=N   []StudyView (newest first, without trials)
//	GET /v1/studies/{job}     StudyView
type StudyView struct {
	Job       string `json:"job"`
	Name      string `json:"name"` // of the job
	Status    Status `json:"status"`
	Reason    string `json:"reason"`
	Sampler   string `json:"sampler"`
	Trials    int    `json:"trials"` // that it is to have
	Ended     int    `json:"ended"`  // failed ones among them
	Failed    int    `json:"failed"`
	Running   int    `json:"running"`
	Submitted int64  `json:"submitted_ms"`
	// Best is the best trial so far; nil before the first has ended.
	Best       *Trial             `json:"best"`
	Importance map[string]float64 `json:"importance,omitempty"` // once the study has ended
	Table      []TrialView        `json:"table,omitempty"`      // by number
}

// TrialView is a trial, at the furthest rung that it got to.
type TrialView struct {
	Number  int                        `json:"number"`
	Rung    int                        `json:"rung"`
	Status  Status                     `json:"status"`
	Reason  string                     `json:"reason"`
	Epochs  int                        `json:"epochs"` // completed at the furthest rung that ended
	Value   *float64                   `json:"value"`  // nil: no rung has ended well
	Params  map[string]json.RawMessage `json:"params"`
	Best    bool                       `json:"best,omitempty"`
	Reused  string                     `json:"reused,omitempty"` // "JOB/STAGE" whose result the furthest rung's is
	Nodes   []string                   `json:"nodes,omitempty"`  // that run or ran the furthest rung
	Started int64                      `json:"started_ms"`
	Ended   int64                      `json:"ended_ms"`
}
