package wire

// Spec is a job file (see the README). Durations and sizes carry their unit in
// the name. Zero fields take the defaults that ParseSpec fills in.
type Spec struct {
	Name     string `yaml:"name" json:"name"`
	Kind     string `yaml:"kind" json:"kind"` // train | import | graph | pipeline
	Priority int    `yaml:"priority" json:"priority,omitempty"`
	Fresh    bool   `yaml:"fresh,omitempty" json:"fresh,omitempty"` // run all, and extract all, though nothing has changed
	// Schedule, of any kind but import: a cron line alone, or a section.
	Schedule ScheduleSpec `yaml:"schedule,omitempty" json:"schedule"`
	Source   SourceSpec   `yaml:"source,omitempty" json:"source"` // of kind pipeline, where data.events names no file
	Validate ValidateSpec `yaml:"validate" json:"validate"`
	Features FeaturesSpec `yaml:"features,omitempty" json:"features"`
	Data     DataSpec     `yaml:"data" json:"data"`
	Mask     MaskSpec     `yaml:"mask" json:"mask"`
	Split    SplitSpec    `yaml:"split" json:"split"`
	Model    ModelSpec    `yaml:"model" json:"model"`
	Train    TrainSpec    `yaml:"train" json:"train"`
	// Of kind pipeline, each optional: what comes before and after the training.
	Tune          TuneSpec          `yaml:"tune,omitempty" json:"tune"`
	CrossValidate CrossValidateSpec `yaml:"cross_validate,omitempty" json:"cross_validate"`
	Gates         GatesSpec         `yaml:"gates,omitempty" json:"gates"`
	Register      RegisterSpec      `yaml:"register,omitempty" json:"register"`
	Deploy        DeploySpec        `yaml:"deploy,omitempty" json:"deploy"`
	Stages        []GraphNode       `yaml:"stages" json:"stages,omitempty"` // of kind graph; of kind pipeline: more stages, exec ones
}

// DataSpec names the events: a file of the client's ("sha256:HASH" once it is
// uploaded), or "dataset:ID" already imported.
type DataSpec struct {
	Events     string  `yaml:"events" json:"events"`
	EventsName string  `yaml:"events_name,omitempty" json:"events_name,omitempty"` // the client's file name where Events is sha256:HASH, for errors
	Columns    Columns `yaml:"columns" json:"columns"`
	MultiSkill string  `yaml:"multi_skill" json:"multi_skill"`
	Window     int     `yaml:"window" json:"window"`
	Shards     int     `yaml:"shards" json:"shards"`
}

// MaskSpec names the key that masks student ids: env:NAME or file:PATH,
// resolved on the worker that imports.
type MaskSpec struct {
	Key string `yaml:"key" json:"key,omitempty"`
}

// SplitSpec is a fold file or shares by seeded hash.
type SplitSpec struct {
	File     string  `yaml:"file" json:"file,omitempty"`
	FileName string  `yaml:"file_name,omitempty" json:"file_name,omitempty"` // the client's, where File is sha256:HASH, for errors
	Student  string  `yaml:"student" json:"student,omitempty"`               // fold file's student column; default: data.columns.student
	Column   string  `yaml:"column" json:"column,omitempty"`
	Test     float64 `yaml:"test" json:"test"`
	Valid    float64 `yaml:"valid" json:"valid"`
	Seed     uint32  `yaml:"seed" json:"seed"`
}

// ModelSpec is the network: embedding, stacked LSTM, asked-skill head.
type ModelSpec struct {
	Cell    string  `yaml:"cell" json:"cell"`                         // lstm; with engine graph also gru, rnn
	Engine  string  `yaml:"engine,omitempty" json:"engine,omitempty"` // kernels (empty) | graph: another hash class
	Embed   Embed   `yaml:"embed" json:"embed"`                       // a length or direct
	Hidden  int     `yaml:"hidden" json:"hidden"`
	Layers  int     `yaml:"layers" json:"layers"`
	Dropout float64 `yaml:"dropout" json:"dropout"`
	// Inputs are taken beside skill and answer: difficulty (of the item), elapsed
	// (response time).
	Inputs []string `yaml:"inputs,omitempty" json:"inputs,omitempty"`
}

// TrainSpec is the optimisation.
type TrainSpec struct {
	Workers     int     `yaml:"workers" json:"workers"`
	Batch       int     `yaml:"batch" json:"batch"`           // sequences a step and accumulation part
	Accumulate  int     `yaml:"accumulate" json:"accumulate"` // parts a step
	Epochs      int     `yaml:"epochs" json:"epochs"`
	Optimizer   string  `yaml:"optimizer" json:"optimizer"` // adam | adamw
	Lazy        bool    `yaml:"lazy" json:"lazy,omitempty"` // update only rows that occur in a step
	LR          float64 `yaml:"lr" json:"lr"`
	WeightDecay float64 `yaml:"weight_decay" json:"weight_decay"`   // adamw
	Schedule    string  `yaml:"schedule,omitempty" json:"schedule"` // constant | cosine
	MinLR       float64 `yaml:"min_lr" json:"min_lr"`               // cosine: the rate at the end of a cycle
	Cycle       int     `yaml:"cycle" json:"cycle"`                 // cosine: epochs of the first cycle; 0: epochs
	CycleMult   int     `yaml:"cycle_mult" json:"cycle_mult"`       // cosine: each restart's cycle is so many times the last (SGDR)
	Clip        float64 `yaml:"clip" json:"clip"`                   // global L2 norm; 0 is off
	Patience    int     `yaml:"patience" json:"patience"`           // epochs without gain; 0 is off
	MinDelta    float64 `yaml:"min_delta" json:"min_delta"`
	Seed        uint32  `yaml:"seed" json:"seed"`
	Precision   string  `yaml:"precision" json:"precision"` // fp32
	Kernels     string  `yaml:"kernels" json:"kernels"`     // auto | avx512 | avx2 | portable; moves no bit
}

// GraphNode is a stage of a job of kind graph.
type GraphNode struct {
	Name    string    `yaml:"name" json:"name"`
	Kind    StageKind `yaml:"kind" json:"kind"` // noop | idle | exec
	Run     RunKind   `yaml:"run" json:"run"`
	After   []string  `yaml:"after" json:"after,omitempty"`
	Tasks   int       `yaml:"tasks" json:"tasks"`
	Timeout string    `yaml:"timeout,omitempty" json:"timeout,omitempty"` // of one attempt, such as 10m; empty: none
	Retries int       `yaml:"retries,omitempty" json:"retries,omitempty"` // of the stage's own failures; 0 is the default, −1 none
	Exec    ExecSpec  `yaml:"exec,omitempty" json:"exec"`
}

// ExecSpec is a command of a stage of kind exec. It runs in a folder of its own
// that holds its inputs, and in which it leaves its outputs.
type ExecSpec struct {
	Command  []string    `yaml:"command,omitempty" json:"command,omitempty"`
	Inputs   []ExecInput `yaml:"inputs,omitempty" json:"inputs,omitempty"`
	Outputs  []string    `yaml:"outputs,omitempty" json:"outputs,omitempty"` // file names below the folder
	Env      []string    `yaml:"env,omitempty" json:"env,omitempty"`         // NAME=VALUE, or NAME=env:NAME and NAME=file:PATH, resolved on the worker
	MemoryMB int         `yaml:"memory_mb,omitempty" json:"memory_mb,omitempty"`
}

// ExecInput is a file that a command finds in its folder: an output of another
// stage, or a file of the client's.
type ExecInput struct {
	Name string `yaml:"name" json:"name"` // of the file in the folder
	From string `yaml:"from" json:"from"` // STAGE/OUTPUT, sha256:HASH, or a path of the client's
}

// ScheduleSpec says when a job runs by itself.
type ScheduleSpec struct {
	Cron     string `yaml:"cron" json:"cron,omitempty"`           // five fields, or @daily and the like
	Zone     string `yaml:"zone" json:"zone,omitempty"`           // IANA name; empty: UTC
	Catchup  string `yaml:"catchup" json:"catchup,omitempty"`     // none | last | all: of firings missed
	Overlap  string `yaml:"overlap" json:"overlap,omitempty"`     // skip | queue | stop: when the run before still runs
	FinishBy string `yaml:"finish_by" json:"finish_by,omitempty"` // a duration after the firing; a run that takes longer has a warning
}

// SourceSpec is where events come from. Secrets are named by reference, env:NAME
// or file:PATH, and resolved on the worker that extracts.
type SourceSpec struct {
	Kind     string       `yaml:"kind" json:"kind,omitempty"` // kafka | postgres | lake | attempts; empty: data.events
	From     string       `yaml:"from" json:"from,omitempty"` // events before this time are left out: 2006-01-02 or RFC 3339; "run-672h": so long before the run
	To       string       `yaml:"to" json:"to,omitempty"`     // likewise those at or after it; "run": the time that the run is for
	Kafka    KafkaSpec    `yaml:"kafka" json:"kafka"`
	Postgres PostgresSpec `yaml:"postgres" json:"postgres"`
	Lake     LakeSpec     `yaml:"lake" json:"lake"`
}

// KafkaSpec names topics whose values are JSON objects; data.columns names their
// keys, a dot leads into an object.
type KafkaSpec struct {
	Brokers []string `yaml:"brokers" json:"brokers,omitempty"` // HOST:PORT
	Topics  []string `yaml:"topics" json:"topics,omitempty"`
	TLS     TLSSpec  `yaml:"tls" json:"tls"`
	SASL    SASLSpec `yaml:"sasl" json:"sasl"`
}

// TLSSpec says how a connection is secured. CA, Cert and Key name files of the
// worker's.
type TLSSpec struct {
	Enabled    bool   `yaml:"enabled" json:"enabled,omitempty"`
	CA         string `yaml:"ca" json:"ca,omitempty"` // empty: the system's
	Cert       string `yaml:"cert" json:"cert,omitempty"`
	Key        string `yaml:"key" json:"key,omitempty"`
	ServerName string `yaml:"server_name" json:"server_name,omitempty"`
}

// SASLSpec is a login; User and Password are references.
type SASLSpec struct {
	Mechanism string `yaml:"mechanism" json:"mechanism,omitempty"` // plain | scram-sha-256 | scram-sha-512; empty: none
	User      string `yaml:"user" json:"user,omitempty"`
	Password  string `yaml:"password" json:"password,omitempty"`
}

// PostgresSpec names a table, or a query that returns columns xmin and Key.
type PostgresSpec struct {
	URL   string `yaml:"url" json:"url,omitempty"` // a reference: the URL holds a password
	Table string `yaml:"table" json:"table,omitempty"`
	Query string `yaml:"query" json:"query,omitempty"`
	Key   string `yaml:"key" json:"key,omitempty"`     // unique column that rows are read in order of; empty: id
	Batch int    `yaml:"batch" json:"batch,omitempty"` // least rows of one of a plan's key ranges; 0: 20000
}

// LakeSpec names a folder or bucket of Parquet and CSV files.
type LakeSpec struct {
	URL     string `yaml:"url" json:"url,omitempty"`         // a folder of the worker's, file://, s3:// or gs://
	Pattern string `yaml:"pattern" json:"pattern,omitempty"` // of names below URL, such as day=*/*.parquet; empty: all
}

// ValidateSpec bounds what a dataset must be. A bound of 0 is off.
type ValidateSpec struct {
	Completeness float64 `yaml:"completeness" json:"completeness"` // least share of rows that are whole events
	Nulls        float64 `yaml:"nulls" json:"nulls"`               // most share of empty values in any mapped column
	Duplicates   float64 `yaml:"duplicates" json:"duplicates"`     // most share of events that repeat another
	Freshness    string  `yaml:"freshness" json:"freshness"`       // most age of the newest event, such as 48h; empty: off
	Skew         string  `yaml:"skew" json:"skew"`                 // events later than this after the run are quarantined, such as 1h
	MinClass     float64 `yaml:"min_class" json:"min_class"`       // least share of the rarer answer
	MinEvents    int64   `yaml:"min_events" json:"min_events"`
	Drift        bool    `yaml:"drift" json:"drift"` // PSI and KS against the last accepted dataset
}

// FeaturesSpec says what features are made of.
type FeaturesSpec struct {
	Cut    string `yaml:"cut" json:"cut,omitempty"`       // events at or after it are not seen; empty: all; "run"
	Recent int    `yaml:"recent" json:"recent,omitempty"` // answers that "recent" looks back; 0: 10
	Gap    string `yaml:"gap" json:"gap,omitempty"`       // pause that ends a session; empty: 30m
}
