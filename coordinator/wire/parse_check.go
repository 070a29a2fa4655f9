package wire

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// maxContributions bounds what one entry of a gradient sums in a step, so that
// 64-bit sums cannot wrap.
const maxContributions = 1 << 17

var (
	contentHash = regexp.MustCompile(`^[0-9a-f]{64}$`)
	plainName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	scheme      = regexp.MustCompile(`^([a-z][a-z0-9+.-]*)://`)
)

func (d *decoder) checkSpec(s *Spec) {
	d.checkName("name", s.Name)
	d.oneOf("kind", s.Kind, "train", "import", "graph", "pipeline")
	d.between("priority", float64(s.Priority), -100, 100)
	if s.Kind != "pipeline" {
		d.only(s)
	}
	if s.Kind == "import" && d.has("schedule") {
		d.at("schedule", "is for kinds pipeline, train and graph, this job is of kind import")
	}
	d.checkSchedule(s.Schedule)
	switch s.Kind {
	case "pipeline":
		d.checkPipeline(s)
	case "train":
		d.checkData(&s.Data)
		d.checkMask(s.Mask)
		d.checkSplit(&s.Split, s.Data)
		d.checkModel(&s.Model)
		d.checkInputs(s)
		d.checkTrain(&s.Train)
		d.checkSums(s)
		if len(s.Stages) > 0 {
			d.at("stages", "are for kind graph, this job is of kind train")
		}
	case "import":
		d.checkData(&s.Data)
		d.checkMask(s.Mask)
		if strings.HasPrefix(s.Data.Events, "dataset:") {
			d.at("data.events", "is imported already")
		}
	case "graph":
		d.checkGraph(s.Stages)
	}
}

// checkName keeps names fit for ids, paths and URLs.
func (d *decoder) checkName(path, name string) {
	switch {
	case name == "":
		d.at(path, "is missing")
	case len(name) > 64:
		d.at(path, "has %d bytes; at most 64 are allowed", len(name))
	case !plainName.MatchString(name):
		d.at(path, "%q: want letters, digits, dots, dashes and underscores, a letter or digit first", name)
	}
}

func (d *decoder) checkData(s *DataSpec) {
	d.checkSource("data.events", s.Events, "dataset:")
	if s.Events == "" {
		d.at("data.events", "is missing: name a CSV file, dataset:ID or sha256:HASH")
	}
	d.checkColumns(s)
}

// checkColumns checks how rows become answers.
func (d *decoder) checkColumns(s *DataSpec) {
	for _, c := range []struct{ path, value string }{
		{"data.columns.student", s.Columns.Student},
		{"data.columns.skill", s.Columns.Skill},
		{"data.columns.correct", s.Columns.Correct.Column},
		{"data.columns.time", s.Columns.Time},
	} {
		if c.value == "" {
			d.at(c.path, "is missing: name the column")
		}
	}
	d.checkCorrect(s.Columns.Correct)
	if u := s.Columns.TimeUnit; u != "" {
		d.oneOf("data.columns.time_unit", u, "s", "ms", "us")
	}
	if u := s.Columns.ElapsedUnit; u != "" {
		d.oneOf("data.columns.elapsed_unit", u, "ms", "s")
	}
	d.oneOf("data.multi_skill", s.MultiSkill, "combine", "repeat", "first")
	if s.MultiSkill == "combine" && s.Columns.Item == "" {
		d.at("data.columns.item", "is missing: multi_skill: combine merges rows of one item (or choose repeat)")
	}
	d.between("data.window", float64(s.Window), 2, 65536)
	d.between("data.shards", float64(s.Shards), 1, 4096)
}

// checkSource checks the forms of a file: a path, sha256:HASH, or prefix + ID.
func (d *decoder) checkSource(path, value, prefix string) {
	for _, p := range []string{"sha256:", prefix} {
		if hash, ok := strings.CutPrefix(value, p); ok && p != "" && !contentHash.MatchString(hash) {
			d.at(path, "is %s with %q; want 64 hex digits", p, hash)
		}
	}
	if m := scheme.FindStringSubmatch(value); m != nil {
		d.at(path, "is a %s URL, which is not read yet: download the file and name its path", m[1])
	}
}

func (d *decoder) checkCorrect(c Correct) {
	const path = "data.columns.correct"
	switch {
	case (c.Right == "") != (c.Wrong == ""):
		d.at(path, "needs both right and wrong, or neither where the column holds 0 and 1")
	case c.Right != "" && c.Right == c.Wrong:
		d.at(path, "has right and wrong both %q", c.Right)
	}
	for _, v := range c.Drop {
		if v != "" && (v == c.Right || v == c.Wrong) {
			d.at(path, "drops %q, which is also right or wrong", v)
		}
	}
}

// checkMask never repeats the key: it may be the secret itself.
func (d *decoder) checkMask(m MaskSpec) {
	if m.Key == "" {
		return
	}
	kind, name, ok := strings.Cut(m.Key, ":")
	switch {
	case !ok || kind != "env" && kind != "file":
		d.at("mask.key", "must be env:NAME or file:PATH, never the key itself")
	case name == "":
		d.at("mask.key", "names nothing after %q", kind+":")
	}
}

func (d *decoder) checkSplit(s *SplitSpec, data DataSpec) {
	if s.File == "" {
		d.checkShares(s)
		return
	}
	d.checkSource("split.file", s.File, "")
	if strings.HasPrefix(data.Events, "dataset:") {
		d.at("split.file", "needs data.events to be a file: folds are masked when events are imported")
	}
	if s.Column == "" {
		d.at("split.column", "is missing: name the column of the fold number")
	}
	if s.Student == "" {
		s.Student = data.Columns.Student
	}
	for _, f := range []struct {
		path string
		fold float64
	}{{"split.test", s.Test}, {"split.valid", s.Valid}} {
		switch {
		case !d.has(f.path):
			d.at(f.path, "is missing: which fold of split.file?")
		case f.fold != math.Trunc(f.fold) || f.fold < 0 || f.fold > 1<<31:
			d.at(f.path, "is %v; with split.file it is the number of a fold", f.fold)
		}
	}
	if s.Test == s.Valid && d.has("split.test") {
		d.at("split.valid", "is fold %v, as split.test; they must differ", s.Valid)
	}
}

func (d *decoder) checkShares(s *SplitSpec) {
	fine := true
	for _, f := range []struct {
		path  string
		share float64
	}{{"split.test", s.Test}, {"split.valid", s.Valid}} {
		if f.share <= 0 || f.share >= 1 {
			d.at(f.path, "is %v; a share of the students lies between 0 and 1 (folds need split.file)", f.share)
			fine = false
		}
	}
	if fine && s.Test+s.Valid >= 1 {
		d.at("split", "leaves nobody to train on: test %v + valid %v is not below 1", s.Test, s.Valid)
	}
	if s.Column != "" {
		d.at("split.column", "needs split.file")
	}
	if s.Student != "" {
		d.at("split.student", "needs split.file")
	}
}

func (d *decoder) checkModel(s *ModelSpec) {
	if s.Engine != "" {
		d.oneOf("model.engine", s.Engine, "kernels", "graph")
	}
	switch d.oneOf("model.cell", s.Cell, "lstm", "gru", "rnn"); {
	case s.Engine == "graph" && len(s.Inputs) > 0:
		d.at("model.inputs", "need the kernels: with engine graph a model takes skill and correctness alone")
	case s.Engine != "graph" && (s.Cell == "gru" || s.Cell == "rnn"):
		d.at("model.cell", "%s has no kernels: write engine: graph, which is slower and another hash class", s.Cell)
	}
	if s.Embed != Direct {
		d.between("model.embed", float64(s.Embed), 1, 4096)
	}
	d.between("model.hidden", float64(s.Hidden), 1, 4096)
	d.between("model.layers", float64(s.Layers), 1, 16)
	if s.Dropout < 0 || s.Dropout >= 1 {
		d.at("model.dropout", "is %v; want 0 or more and below 1", s.Dropout)
	}
	for k, in := range s.Inputs {
		path := fmt.Sprintf("model.inputs[%d]", k)
		d.oneOf(path, in, "difficulty", "elapsed")
		if slices.Contains(s.Inputs[:k], in) {
			d.at(path, "%s is given twice", in)
		}
	}
}

// checkInputs wants the columns that inputs are made of.
func (d *decoder) checkInputs(s *Spec) {
	if strings.HasPrefix(s.Data.Events, "dataset:") {
		return // imported with columns of its own
	}
	c := s.Data.Columns
	for _, need := range []struct{ input, column, value string }{
		{"difficulty", "item", c.Item}, {"elapsed", "elapsed", c.Elapsed},
	} {
		if need.value == "" && slices.Contains(s.Model.Inputs, need.input) {
			d.at("model.inputs", "%s needs data.columns.%s", need.input, need.column)
		}
	}
}

func (d *decoder) checkTrain(s *TrainSpec) {
	d.between("train.workers", float64(s.Workers), 1, 1024)
	d.between("train.batch", float64(s.Batch), 1, maxContributions)
	d.between("train.accumulate", float64(s.Accumulate), 1, maxContributions)
	d.between("train.epochs", float64(s.Epochs), 1, 1<<20)
	d.oneOf("train.optimizer", s.Optimizer, "adam", "adamw")
	d.oneOf("train.schedule", s.Schedule, "constant", "cosine")
	d.oneOf("train.kernels", s.Kernels, "auto", "avx512", "avx2", "portable")
	if s.Precision == "bf16" {
		d.at("train.precision", "bf16 needs a GPU worker, which is not available yet: use fp32")
	} else {
		d.oneOf("train.precision", s.Precision, "fp32")
	}
	if s.LR <= 0 {
		d.at("train.lr", "is %v; a learning rate is above 0", s.LR)
	}
	d.between("train.cycle", float64(s.Cycle), 0, 1<<20)
	d.between("train.cycle_mult", float64(s.CycleMult), 1, 1<<10)
	d.between("train.patience", float64(s.Patience), 0, 1<<20)
	for _, f := range []struct {
		path  string
		value float64
	}{
		{"train.weight_decay", s.WeightDecay},
		{"train.min_lr", s.MinLR},
		{"train.clip", s.Clip},
		{"train.min_delta", s.MinDelta},
	} {
		if f.value < 0 {
			d.at(f.path, "is %v; want 0 or more", f.value)
		}
	}
	d.checkRates(s)
}

// checkRates checks fields against each other.
func (d *decoder) checkRates(s *TrainSpec) {
	if s.WeightDecay > 0 && s.Optimizer == "adam" {
		d.at("train.weight_decay", "needs optimizer: adamw")
	}
	if s.Schedule == "cosine" && s.LR > 0 && s.MinLR > s.LR {
		d.at("train.min_lr", "is %v, above lr %v", s.MinLR, s.LR)
	}
	if s.Schedule == "constant" {
		for _, path := range []string{"train.min_lr", "train.cycle", "train.cycle_mult"} {
			set := map[string]bool{"train.min_lr": s.MinLR > 0, "train.cycle": s.Cycle > 0, "train.cycle_mult": s.CycleMult > 1}
			if set[path] {
				d.at(path, "needs schedule: cosine")
			}
		}
	}
}

func (d *decoder) checkSums(s *Spec) {
	if s.Train.Batch < 1 || s.Train.Accumulate < 1 || s.Data.Window < 2 {
		return
	}
	answers := float64(s.Train.Batch) * float64(s.Train.Accumulate) * float64(s.Data.Window-1)
	if answers > maxContributions {
		d.at("train.batch", "%d × accumulate %d × (window − 1) %d is %.0f answers a step; exact sums allow %d",
			s.Train.Batch, s.Train.Accumulate, s.Data.Window-1, answers, maxContributions)
	}
}

func (d *decoder) oneOf(path, value string, known ...string) {
	if slices.Contains(known, value) {
		return
	}
	d.at(path, "%q is unknown; %s", value, hint(value, known))
}

// hint says what was perhaps meant, else what is known.
func hint(value string, known []string) string {
	if near := Nearest(value, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "known: " + strings.Join(known, ", ")
}

func (d *decoder) between(path string, value, low, high float64) {
	if value < low || value > high {
		d.at(path, "is %v; want %v to %v", value, low, int64(high))
	}
}
