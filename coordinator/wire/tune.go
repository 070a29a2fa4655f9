package wire

import "encoding/json"

// TuneSpec searches settings before the training. A study's trials depend on
// its own fields alone: not on free slots, nor on who dies.
type TuneSpec struct {
	Trials  int    `yaml:"trials" json:"trials,omitempty"`   // 0: no search
	Sampler string `yaml:"sampler" json:"sampler,omitempty"` // tpe | random | grid
	Startup int    `yaml:"startup" json:"startup,omitempty"` // random trials before tpe has a say
	// Lag is P: trial n is proposed from trials up to n − P, so P trials may run at once.
	Lag  int    `yaml:"lag" json:"lag,omitempty"`
	Seed uint32 `yaml:"seed" json:"seed,omitempty"`
	// Rungs are epochs at which trials are compared; of each bracket of trials one in
	// Reduction goes on. Empty: every trial runs to its end.
	Rungs     []int                 `yaml:"rungs" json:"rungs,omitempty"`
	Reduction int                   `yaml:"reduction" json:"reduction,omitempty"`
	Epochs    int                   `yaml:"epochs" json:"epochs,omitempty"` // of a trial at most; 0: train.epochs
	Space     map[string]TuneDomain `yaml:"space" json:"space,omitempty"`   // "model.hidden", "train.lr", …
}

// TuneDomain is what one setting may be: one of Values, or a number from Low to High.
type TuneDomain struct {
	Values []any    `yaml:"values" json:"values,omitempty"`
	Low    *float64 `yaml:"low" json:"low,omitempty"`
	High   *float64 `yaml:"high" json:"high,omitempty"`
	Step   float64  `yaml:"step" json:"step,omitempty"` // 0: none, of a whole number 1
	Log    bool     `yaml:"log" json:"log,omitempty"`
	Int    bool     `yaml:"int" json:"int,omitempty"`
}

// DefaultTune is what a tune section starts from.
func DefaultTune() TuneSpec { return TuneSpec{Sampler: "tpe", Startup: 5, Lag: 2, Reduction: 3} }

// TuneSettings are of the stage that is a study. It waits for its trials, which
// the leader adds to the graph one after another as "tune.N" (a first rung) and
// "tune.N.R" (its rung R), and then writes what came of them. Inputs: of each
// trial, by its stage's name, "trial". Outputs: "best" (JSON: overrides by path).
// Result: {"tune":Tuned}.
type TuneSettings struct {
	Tune  TuneSpec      `json:"tune"`
	Train TrainSettings `json:"train"` // that trials differ from
	// Inputs are those of every trial, as references.
	Inputs map[string]string `json:"inputs"`
}

// TrialSettings are of the stage that is one rung of a trial: a training on one
// task. Its settings are those of the training, over which Params are to be laid.
// Inputs: of a training, and "state" of the rung before. Outputs: "weights",
// "state" (of the training, where a longer rung may follow), "trial" (JSON of
// Trial). Result: the training's and Trial.
type TrialSettings struct {
	TrainSettings
	Number int                        `json:"number"`
	Rung   int                        `json:"rung"`
	Epochs int                        `json:"epochs"` // that it trains up to, in all
	Params map[string]json.RawMessage `json:"params"`
}

// Trial is what one rung of a trial came to.
type Trial struct {
	Number  int                        `json:"number"`
	Rung    int                        `json:"rung"`
	Epochs  int                        `json:"epochs"` // completed; early stopping makes them fewer
	Value   float64                    `json:"value"`  // best validation AUC so far
	Params  map[string]json.RawMessage `json:"params"`
	Weights string                     `json:"weights_sha256"`
}

// Tuned is the result of a study.
type Tuned struct {
	Best       map[string]json.RawMessage `json:"best"` // path → value
	Value      float64                    `json:"value"`
	Number     int                        `json:"best_trial"`
	Trials     []Trial                    `json:"trials"` // by number and rung; failed ones are missing
	Failed     int                        `json:"failed_trials,omitempty"`
	Importance map[string]float64         `json:"importance"` // path → share of the value's variance
}

// Crossed is the result of a cross-validation.
type Crossed struct {
	AUC    []float64 `json:"auc"` // by fold
	Mean   float64   `json:"mean"`
	Spread float64   `json:"spread"` // standard deviation (of a sample) over mean
}

// CrossSettings are of the stage that gathers the folds of a cross-validation.
// Inputs: "fold-1", …: each a fold's "test" output. Outputs: "cross" (JSON).
// Result: {"cross":Crossed}.
type CrossSettings struct {
	Folds int `json:"folds"`
}

// CloseFan ends the adding of stages that one waits for, and gives it their
// results as inputs.
type CloseFan struct {
	Job    string            `json:"job"`
	Stage  string            `json:"stage"`
	Inputs map[string]string `json:"inputs"` // name → "STAGE/OUTPUT" of a stage that is done
}
