package wire

// Spec is a job file (see the README). Durations and sizes carry their unit in
// the name. Zero fields take the defaults that ParseSpec fills in.
type Spec struct {
	Name     string      `yaml:"name" json:"name"`
	Kind     string      `yaml:"kind" json:"kind"` // train | import | graph
	Priority int         `yaml:"priority" json:"priority,omitempty"`
	Data     DataSpec    `yaml:"data" json:"data"`
	Mask     MaskSpec    `yaml:"mask" json:"mask"`
	Split    SplitSpec   `yaml:"split" json:"split"`
	Model    ModelSpec   `yaml:"model" json:"model"`
	Train    TrainSpec   `yaml:"train" json:"train"`
	Stages   []GraphNode `yaml:"stages" json:"stages,omitempty"` // of kind graph
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
	Cell    string  `yaml:"cell" json:"cell"`   // lstm
	Embed   Embed   `yaml:"embed" json:"embed"` // a length or direct
	Hidden  int     `yaml:"hidden" json:"hidden"`
	Layers  int     `yaml:"layers" json:"layers"`
	Dropout float64 `yaml:"dropout" json:"dropout"`
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
	WeightDecay float64 `yaml:"weight_decay" json:"weight_decay"` // adamw
	Schedule    string  `yaml:"schedule" json:"schedule"`         // constant | cosine
	MinLR       float64 `yaml:"min_lr" json:"min_lr"`             // cosine: the rate at the end of a cycle
	Cycle       int     `yaml:"cycle" json:"cycle"`               // cosine: epochs of the first cycle; 0: epochs
	CycleMult   int     `yaml:"cycle_mult" json:"cycle_mult"`     // cosine: each restart's cycle is so many times the last (SGDR)
	Clip        float64 `yaml:"clip" json:"clip"`                 // global L2 norm; 0 is off
	Patience    int     `yaml:"patience" json:"patience"`         // epochs without gain; 0 is off
	MinDelta    float64 `yaml:"min_delta" json:"min_delta"`
	Seed        uint32  `yaml:"seed" json:"seed"`
	Precision   string  `yaml:"precision" json:"precision"` // fp32
	Kernels     string  `yaml:"kernels" json:"kernels"`     // auto | avx512 | avx2 | portable; moves no bit
}

// GraphNode is a stage of a job of kind graph.
type GraphNode struct {
	Name  string    `yaml:"name" json:"name"`
	Kind  StageKind `yaml:"kind" json:"kind"` // noop | idle
	Run   RunKind   `yaml:"run" json:"run"`
	After []string  `yaml:"after" json:"after,omitempty"`
	Tasks int       `yaml:"tasks" json:"tasks"`
}
