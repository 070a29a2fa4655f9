package wire

// Settings of the built-in stages, stored as JSON in Stage.Settings. They name
// content by hash and secrets by reference, never by value.

// Columns maps a CSV's columns to an event's fields.
type Columns struct {
	Student     string  `json:"student" yaml:"student"`
	Item        string  `json:"item,omitempty" yaml:"item"`
	Skill       string  `json:"skill" yaml:"skill"`
	Correct     Correct `json:"correct" yaml:"correct"`
	Time        string  `json:"time" yaml:"time"`
	TimeUnit    string  `json:"time_unit,omitempty" yaml:"time_unit,omitempty"`       // of numbers: s (default), ms, us
	ID          string  `json:"id,omitempty" yaml:"id"`                               // breaks ties of time
	Elapsed     string  `json:"elapsed,omitempty" yaml:"elapsed,omitempty"`           // response time
	ElapsedUnit string  `json:"elapsed_unit,omitempty" yaml:"elapsed_unit,omitempty"` // ms (default), s
}

// Correct says how an answer is read. With Right and Wrong empty the column
// holds 0 or 1.
type Correct struct {
	Column string   `json:"column" yaml:"column"`
	Right  string   `json:"right,omitempty" yaml:"right"`
	Wrong  string   `json:"wrong,omitempty" yaml:"wrong"`
	Drop   []string `json:"drop,omitempty" yaml:"drop"` // values whose rows are left out
}

// Split deals students to test, valid and train: by a fold file, or by seeded
// hash with shares Test and Valid in [0, 1).
type Split struct {
	File   string  `json:"file,omitempty"` // content hash of the masked fold table once imported; "sha256:…" of the client's file before
	Column string  `json:"column,omitempty"`
	Test   float64 `json:"test"`  // a fold number with File, a share without
	Valid  float64 `json:"valid"` // likewise
	Seed   uint32  `json:"seed"`
	// Folds is k of a cross-validation, whose fold Fold, from 1 on, is this: of the
	// students that are not in the test part, dealt to k folds by seeded hash, the
	// fold's are tested on, and those of the test part are left out.
	Folds int `json:"folds,omitempty"`
	Fold  int `json:"fold,omitempty"`
}

// ImportSettings are of the stage events file → masked Parquet in the lake.
// Inputs: "events" (the client's file), "folds" (the fold file, optional).
// Outputs: "dataset" (manifest), "folds" (masked fold table, optional).
type ImportSettings struct {
	Name    string  `json:"name"`    // of the dataset, for people
	File    string  `json:"file"`    // the client's file name, for errors
	Columns Columns `json:"columns"` // of the events file
	MaskKey string  `json:"mask_key,omitempty"`

	FoldFile    string `json:"fold_file,omitempty"` // the client's file name, for errors
	FoldStudent string `json:"fold_student,omitempty"`
	FoldColumn  string `json:"fold_column,omitempty"`
}

// ShardSettings are of the stage dataset → shards.
// Inputs: "dataset"; where Inputs are used, "folds" (optional).
// Outputs: "shards" (shard-set manifest).
type ShardSettings struct {
	MultiSkill string   `json:"multi_skill"` // combine | repeat | first
	Shards     int      `json:"shards"`
	Inputs     []string `json:"inputs,omitempty"` // of the model, beside skill and answer
	Split      *Split   `json:"split,omitempty"`  // where Inputs are used: they are fitted on its training students
}

// TrainSettings are of the stage shards → weights. Inputs: "shards", "folds" (optional).
// Outputs: "weights" (best weights, safetensors), "checkpoint" (manifest).
// Result: {"valid":{…},"weights_sha256":…,"answers_per_second":…,"epochs":…,"best_epoch":…}.
type TrainSettings struct {
	Window int       `json:"window"`
	Split  Split     `json:"split"`
	Model  ModelSpec `json:"model"`
	Train  TrainSpec `json:"train"`
}

// TestSettings are of the stage weights + shards → metrics on the test students, beside the
// baselines. Inputs: "weights", "shards", "folds" (optional).
// Result: {"test":{…},"baselines":{"skill_mean":{…},"logistic":{…}}}.
type TestSettings struct {
	Window    int       `json:"window"`
	Split     Split     `json:"split"`
	Model     ModelSpec `json:"model"`
	Train     TrainSpec `json:"train"`
	Baselines bool      `json:"baselines"`
}

// ExtractSettings are of the stage source → masked Parquet in the lake, rows that
// are no events apart. Inputs: "events" (the client's CSV file; none where
// Source has a kind), "folds" (the fold file, optional), "recorded" (an extraction,
// whose positions are read again, those of the extractions before it included; its
// time stands in for the run's). Outputs: "extraction"
// (manifest: plan, dataset, rejects, counts), "dataset", "folds" (optional).
type ExtractSettings struct {
	ImportSettings
	Source SourceSpec `json:"source"`
}

// ValidateSettings are of the stage dataset → checked dataset. Inputs:
// "extraction", "reference" (profile of the last accepted dataset, optional).
// Outputs: "dataset" (without what is quarantined), "quarantine", "report"
// (JSON), "profile".
type ValidateSettings struct {
	Name    string       `json:"name"` // of the pipeline, whose last accepted dataset is the reference
	Spec    ValidateSpec `json:"spec"`
	Columns Columns      `json:"columns"`        // which values are mapped
	From    int64        `json:"from,omitempty"` // events before it are left out, microseconds; 0: none
	To      int64        `json:"to,omitempty"`   // events at or after it are left out, microseconds; 0: none
}

// FeaturesSettings are of the stage dataset → feature tables. Inputs: "dataset",
// "folds" (optional). Outputs: "features" (manifest).
type FeaturesSettings struct {
	Name  string       `json:"name"`
	Spec  FeaturesSpec `json:"spec"`
	Cut   int64        `json:"cut,omitempty"` // microseconds; 0: all
	Split Split        `json:"split"`         // items are fitted on its training students
}

// ExecSettings are of the stage files → files. Inputs: by the names of Inputs.
// Outputs: by the names of Outputs.
type ExecSettings struct {
	Command  []string `json:"command"`
	Outputs  []string `json:"outputs"`
	Env      []string `json:"env,omitempty"`
	MemoryMB int      `json:"memory_mb,omitempty"`
}

// NoopSettings lets the trivial stage fail, for tests of retries.
type NoopSettings struct {
	FailAttempts int `json:"fail_attempts,omitempty"`
}
