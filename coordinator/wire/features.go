package wire

// FeatureTable is a table of a feature set without its rows.
type FeatureTable struct {
	Name    string          `json:"name"`
	Keys    []string        `json:"keys"`
	Columns []FeatureColumn `json:"columns"`
	Rows    int64           `json:"rows"`
	Bytes   int64           `json:"bytes"`
}

// FeatureColumn is a column's name and type: string, int64 or float64.
type FeatureColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// FeatureSetView is a feature set with what its manifest says.
type FeatureSetView struct {
	FeatureSet
	Code           int            `json:"code"` // version of the features
	Mask           string         `json:"mask"` // fingerprint of the mask key
	Events         int64          `json:"events"`
	Recent         int            `json:"recent"`
	GapSeconds     float64        `json:"gap_s"`
	Clock          bool           `json:"clock"`
	AbilitySD      float64        `json:"ability_sd"`
	DifficultyMean float64        `json:"difficulty_mean"`
	DifficultySD   float64        `json:"difficulty_sd"`
	FitStudents    int            `json:"fit_students"`
	FitIterations  int            `json:"fit_iterations"`
	FitConverged   bool           `json:"fit_converged"`
	Tables         []FeatureTable `json:"tables"`
}

// StudentFeatures are a student's rows at a cut: as stored in the set or, at
// another cut, computed now from his events.
type StudentFeatures struct {
	Set     string         `json:"set"`
	Student string         `json:"student"` // masked
	Cut     int64          `json:"cut"`     // microseconds; 0: all events
	Stored  bool           `json:"stored"`
	Tables  []FeatureRows  `json:"tables"`
	Events  []FeatureEvent `json:"events,omitempty"` // the last ones before the cut, oldest first
}

// FeatureRows are rows of a table. A value is a text, a whole number, or a
// float64 whose decimal text reads back to the same bits; null is "not applicable".
type FeatureRows struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
}

// FeatureEvent is an event of a student's history.
type FeatureEvent struct {
	Time      int64  `json:"time"` // microseconds, or an order
	Item      string `json:"item"`
	Skill     string `json:"skill"`
	Correct   bool   `json:"correct"`
	ElapsedMS int64  `json:"elapsed_ms,omitempty"`
}

// FeatureDiff says how set B differs from set A.
type FeatureDiff struct {
	A      FeatureSet         `json:"a"`
	B      FeatureSet         `json:"b"`
	Tables []FeatureTableDiff `json:"tables"`
}

// FeatureTableDiff counts rows by key, and what changed in rows of both sets.
type FeatureTableDiff struct {
	Name    string              `json:"name"`
	Added   int64               `json:"added"`
	Removed int64               `json:"removed"`
	Changed int64               `json:"changed"`
	Same    int64               `json:"same"`
	Columns []FeatureColumnDiff `json:"columns"`
}

// FeatureColumnDiff says how a column changed.
type FeatureColumnDiff struct {
	Name           string   `json:"name"`
	Only           string   `json:"only,omitempty"`            // "a" or "b": the other set has no such column
	Changed        int64    `json:"changed"`                   // rows whose values differ
	MeanDifference *float64 `json:"mean_difference,omitempty"` // b − a, over changed rows with a number in both
}
