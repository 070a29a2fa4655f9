package wire

// The registry over HTTP. A version is named by its number, an alias,
// "production", "staging" or "latest".
//
//	GET  /v1/models                            []Model
//	GET  /v1/models/{m}                        ModelView
//	GET  /v1/models/{m}/versions/{v}           VersionView
//	GET  /v1/models/{m}/history?at=RFC3339     HistoryReply
//	POST /v1/models/{m}/promote  Promote       Outcome   (Admin is the server's finding)
//	POST /v1/models/{m}/rollback Promote       Outcome   (Version 0: the one before)
//	POST /v1/models/{m}/alias    SetModel      Outcome
//	POST /v1/models/{m}/notes    SetModel      Outcome
//	POST /v1/models/{m}/delete   DeleteVersion Outcome
//	POST /v1/models/{m}/reproduce ReproduceRequest SubmitReply  (the job that makes it again)
//	GET  /v1/evaluations/{job}/{stage}         Evaluation
//	GET  /v1/keys                              []SigningKey
//
// Who may pass over gates sends "Authorization: Bearer TOKEN".

// ModelView is a model with its versions, oldest first.
type ModelView struct {
	Model
	List []ModelVersion `json:"list"`
}

// VersionView is a version with what its evaluation found.
type VersionView struct {
	ModelVersion
	Found *Evaluation `json:"found,omitempty"` // nil: it was not evaluated
}

// HistoryReply is a model's history up to a time, and where it stood then.
type HistoryReply struct {
	Model      string        `json:"model"`
	At         int64         `json:"at_ms,omitempty"` // 0: now
	Production int           `json:"production"`      // 0: none
	Staging    int           `json:"staging"`         // 0: none
	Changes    []ModelChange `json:"changes"`         // oldest first
}

// ReproduceRequest asks for a version to be made again from its record.
type ReproduceRequest struct {
	Version int `json:"version"`
}
