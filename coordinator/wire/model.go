package wire

// Model is a registered name with versions, of which one at most is in
// production. Every change of a version's stage is one command.
type Model struct {
	Name       string `json:"name"`
	Versions   int    `json:"versions"`           // numbers given so far, from 1; a deleted one's is not given again
	Production int    `json:"production"`         // 0: none
	Staging    int    `json:"staging"`            // 0: none
	Previous   int    `json:"previous,omitempty"` // was in production before; 0: none
	// Aliases name versions beside the stages.
	Aliases map[string]int `json:"aliases,omitempty"`
	Meta
}

// ModelStage is where a version stands in its life.
type ModelStage string

// The stages of a version.
const (
	Development ModelStage = "development"
	Staging     ModelStage = "staging"
	Production  ModelStage = "production"
	Archived    ModelStage = "archived"
)

// ModelVersion is one trained model with where it comes from. Its Manifest, a
// blob, repeats what makes it; the signature is over that blob's hash.
type ModelVersion struct {
	Model    string     `json:"model"`
	Version  int        `json:"version"`
	Stage    ModelStage `json:"stage"`
	Manifest string     `json:"manifest"` // content hash of ModelManifest as JSON
	Weights  string     `json:"weights"`  // content hash of the weights' file, safetensors
	// WeightsHash is weights_sha256 of the training: of the numbers alone.
	WeightsHash string  `json:"weights_sha256"`
	Engine      string  `json:"engine"`     // hash class: kernels | graph
	Evaluation  string  `json:"evaluation"` // id; empty: none
	AUC         float64 `json:"auc"`        // of the evaluation's held-out students
	Job         string  `json:"job"`        // that made it
	Signature   []byte  `json:"signature"`  // ed25519, over SignedText(Manifest)
	Key         string  `json:"key"`        // id of the signing key
	Notes       string  `json:"notes,omitempty"`
	Created     int64   `json:"created_ms"`
	Meta
}

// SignedText is what a model's signature is over.
func SignedText(manifest string) []byte { return []byte("cohort model v1\n" + manifest + "\n") }

// ModelManifest says what a version is made of and from. It names no run: the same
// model, come to again, has the same manifest, and is the same version. The job and
// its evaluation stand in ModelVersion.
type ModelManifest struct {
	FormatVersion int       `json:"format_version"` // 1
	Model         string    `json:"model"`
	Weights       string    `json:"weights"`        // content hash of the safetensors file
	WeightsHash   string    `json:"weights_sha256"` // of the numbers alone
	Engine        string    `json:"engine"`
	Skills        []string  `json:"skills"` // vocabulary, shortlex; skill k has interaction codes 2k (wrong) and 2k+1 (right)
	Window        int       `json:"window"`
	MultiSkill    string    `json:"multi_skill"`
	Spec          ModelSpec `json:"spec"`  // with tuned settings in place
	Train         TrainSpec `json:"train"` // likewise
	Split         Split     `json:"split"`
	Extraction    string    `json:"extraction,omitempty"` // manifest: plan (positions), dataset, counts
	Dataset       string    `json:"dataset"`              // that it learned from, after validation
	Shards        string    `json:"shards"`
	Features      string    `json:"features,omitempty"`
	Folds         string    `json:"folds,omitempty"`
	JobSpec       string    `json:"job_spec"` // content hash of the job file with every field written out
	Binary        string    `json:"binary"`   // version of the binary that registered it
}

// ModelChange is an entry of a model's history, which is never rewritten.
type ModelChange struct {
	Model   string     `json:"model"`
	Version int        `json:"version"`
	Index   uint64     `json:"index"` // Raft index of the command
	Time    int64      `json:"time_ms"`
	Actor   string     `json:"actor"`
	What    string     `json:"what"` // one of the Change… below
	From    ModelStage `json:"from,omitempty"`
	To      ModelStage `json:"to,omitempty"`
	// Before is the version that was in production when What moved it.
	Before int    `json:"before,omitempty"`
	Alias  string `json:"alias,omitempty"` // set to Version, or dropped where that is 0
	Reason string `json:"reason,omitempty"`
	Passed string `json:"passed_over,omitempty"` // gates that an admin passed over
}

// What changes a model.
const (
	ChangeRegistered = "registered"
	ChangePromoted   = "promoted"    // to staging or production
	ChangeRolledBack = "rolled back" // to production
	ChangeArchived   = "archived"
	ChangeReturned   = "returned" // to development
	ChangeDeleted    = "deleted"
	ChangeAlias      = "alias"
	ChangeNote       = "note"
)

// SigningKey is a coordinator's public key.
type SigningKey struct {
	ID     string `json:"id"`     // first 16 hex digits of the SHA-256 of Public
	Public []byte `json:"public"` // ed25519
	Owner  string `json:"owner"`  // coordinator
	Meta
}

// Measures are of one model on held-out students.
type Measures struct {
	AUC         float64 `json:"auc"`
	Accuracy    float64 `json:"accuracy"`
	F1          float64 `json:"f1"`
	LogLoss     float64 `json:"log_loss"`
	Calibration float64 `json:"calibration_error"`
	Answers     int64   `json:"answers"`
}

// Segment is a part of the held-out answers.
type Segment struct {
	Name      string   `json:"name"` // "new students", "rare skills", …
	Candidate Measures `json:"candidate"`
	Baseline  Measures `json:"baseline"`
	Note      string   `json:"note,omitempty"` // why there are no measures
}

// Evaluation compares a candidate with the production model, or with the
// per-skill mean where there is none, on the same held-out students. Only the
// task that evaluated writes it, under its live token.
type Evaluation struct {
	ID              string    `json:"id"` // "JOB/STAGE"
	Model           string    `json:"model"`
	Candidate       string    `json:"candidate"`                  // content hash of its weights
	Baseline        int       `json:"baseline"`                   // version; 0: the per-skill mean
	BaselineWeights string    `json:"baseline_weights,omitempty"` // of Baseline
	Dataset         string    `json:"dataset"`
	Shards          string    `json:"shards"`
	Split           Split     `json:"split"`
	Of              Measures  `json:"of"`      // the candidate
	Against         Measures  `json:"against"` // the baseline
	Segments        []Segment `json:"segments,omitempty"`
	// Gain is the relative gain of AUC over the baseline; Low and High bound it by
	// a paired bootstrap over students, 95 %.
	Gain     float64   `json:"gain"`
	GainLow  float64   `json:"gain_low"`
	GainHigh float64   `json:"gain_high"`
	Folds    []float64 `json:"folds,omitempty"` // AUC by fold of the cross-validation
	Spread   float64   `json:"spread"`          // standard deviation over mean of Folds
	Quality  string    `json:"quality"`         // what the data checks said: passed, or why not
	Report   string    `json:"report"`          // blob: this record and the calibration table, JSON

	// The fields below are Apply's.
	Gates   []GateResult `json:"gates"`
	Created int64        `json:"created_ms"`
	Job     string       `json:"job"`
	Meta
}

// GateResult is what one gate says.
type GateResult struct {
	Name  string  `json:"name"` // auc | accuracy | improvement | fold_spread | quality
	Value float64 `json:"value"`
	Bound float64 `json:"bound"`
	Pass  bool    `json:"pass"`
	Text  string  `json:"text"` // one line for a person
}

// GatesSpec bounds a model that may go into production. A bound of 0 is off.
type GatesSpec struct {
	AUC         float64 `yaml:"auc" json:"auc"`                 // least
	Accuracy    float64 `yaml:"accuracy" json:"accuracy"`       // least
	Improvement float64 `yaml:"improvement" json:"improvement"` // least relative gain of AUC; the bootstrap's lower bound must be above 0 as well
	FoldSpread  float64 `yaml:"fold_spread" json:"fold_spread"` // most, of a cross-validation; without one it does not apply
	Quality     bool    `yaml:"quality" json:"quality"`         // the data passed its checks
}

// DefaultGates are the gates of a job that says nothing of them.
func DefaultGates() GatesSpec {
	return GatesSpec{AUC: 0.75, Accuracy: 0.70, Improvement: 0.01, FoldSpread: 0.05, Quality: true}
}

// CrossValidateSpec trains on k parts of the students.
type CrossValidateSpec struct {
	Folds int `yaml:"folds" json:"folds,omitempty"` // 0: no cross-validation
}

// RegisterSpec keeps the model of a pipeline as a version.
type RegisterSpec struct {
	Model string `yaml:"model" json:"model,omitempty"` // name; empty: the model is not registered
	// Promote says whether a version that passes the gates goes into production by
	// itself.
	Promote bool `yaml:"promote" json:"promote"`
}

// EvaluateSettings are of the stage weights + shards → evaluation on the test
// students. Inputs: "weights", "shards", "dataset", "folds" (optional),
// "report" of the validation (optional), "cross" of the cross-validation
// (optional), "production" (weights of the version in production, optional).
// Outputs: "report".
// Result: TestSettings' {"test","baselines"} and {"evaluation":{…}}.
type EvaluateSettings struct {
	TestSettings
	Name  string    `json:"name"` // of the model
	Gates GatesSpec `json:"gates"`
}

// RegisterSettings are of the stage weights → model version. Inputs: "weights",
// "dataset", "shards", "extraction", "features", "folds", "best" (tuned settings),
// all but the first three optional. Outputs: "manifest".
// Result: {"model":…,"version":…}: the version is the leader's to give.
type RegisterSettings struct {
	TrainSettings
	Name       string `json:"name"`
	MultiSkill string `json:"multi_skill"`
	JobSpec    string `json:"job_spec"`   // content hash
	Evaluation string `json:"evaluation"` // stage whose evaluation it is
}

// PromoteSettings are of the stage version → production. Inputs: "manifest" and
// "evaluation" (the report). Result: {"promoted":bool,"version":…,"why":…}.
// With Deploy, replicas are started first and the version goes into production with
// the traffic.
type PromoteSettings struct {
	Name   string      `json:"name"`
	Gates  GatesSpec   `json:"gates"` // a lack of improvement alone is a normal end
	Deploy *DeploySpec `json:"deploy,omitempty"`
}

// A stage of kind compare has no settings: it holds what was made again to a
// model's manifest. Inputs: "manifest" (ModelManifest), "dataset", "weights" (each
// optional), "difference" (where in the source the datasets differ, in words;
// optional). Result: {"reproduced":{"dataset":…,"weights_sha256":…}}; a difference is
// an error that names the first event that is altered, or both hashes.

// PutKey makes a coordinator's public key known.
type PutKey struct {
	Key SigningKey `json:"key"`
}

// Promote moves a version to a stage. Into production it is refused, with
// CodeGate, unless its evaluation's gates all pass, and with CodeConflict where
// production is not the baseline that the evaluation compared with.
type Promote struct {
	Model      string     `json:"model"`
	Version    int        `json:"version"`
	Stage      ModelStage `json:"stage"`
	Rollback   bool       `json:"rollback,omitempty"` // to Version, which was in production before: gates are not asked again
	Force      bool       `json:"force,omitempty"`    // an admin passes over the gates: Reason must say why
	Admin      bool       `json:"admin,omitempty"`    // the API's finding: the actor is one
	Reason     string     `json:"reason,omitempty"`
	CheckIndex uint64     `json:"check_index,omitempty"` // of the model
}

// SetModel sets an alias, a note or takes either away.
type SetModel struct {
	Model      string  `json:"model"`
	Version    int     `json:"version"`
	Alias      string  `json:"alias,omitempty"`
	Drop       bool    `json:"drop,omitempty"` // the alias
	Notes      *string `json:"notes,omitempty"`
	CheckIndex uint64  `json:"check_index,omitempty"`
}

// DeleteVersion forgets a version that is in no stage, no alias and no deployment.
type DeleteVersion struct {
	Model   string `json:"model"`
	Version int    `json:"version"`
	Reason  string `json:"reason,omitempty"`
}
