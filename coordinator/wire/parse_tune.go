package wire

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of a study and of a cross-validation.
const (
	mostTrials    = 1000
	mostLag       = 256
	mostRungs     = 6
	mostReduction = 10
	mostValues    = 1000 // of one setting
	mostFolds     = 20
)

// table reads a mapping whose keys are a person's.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n.Line, "%s: want keys and values, got %s", path, described(n))
		d.bad[path] = true
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for k := 0; k+1 < len(n.Content); k += 2 {
		key, full := n.Content[k].Value, path+"."+n.Content[k].Value
		if v.MapIndex(reflect.ValueOf(key)).IsValid() {
			d.fault(n.Content[k].Line, "%s is given twice, first on line %d", full, d.lines[full])
			continue
		}
		d.lines[full] = n.Content[k].Line
		entry := reflect.New(v.Type().Elem()).Elem()
		d.value(n.Content[k+1], entry, full)
		v.SetMapIndex(reflect.ValueOf(key), entry)
	}
}

// any reads a number, true, false or text. A number that is whole is an int,
// however it is written, so that a file reads back to the same.
func (d *decoder) any(n *yaml.Node, v reflect.Value, path string) {
	var x any
	if n.Kind != yaml.ScalarNode || n.Decode(&x) != nil {
		d.fault(n.Line, "%s: want a number, true, false or text, got %s", path, described(n))
		d.bad[path] = true
		return
	}
	switch f := x.(type) {
	case float64:
		if math.IsNaN(f) || math.IsInf(f, 0) {
			d.fault(n.Line, "%s: want a number, got %s", path, described(n))
			d.bad[path] = true
			return
		}
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			x = int(f)
		}
	case int, bool, string:
	default: // a date, say
		x = n.Value
	}
	v.Set(reflect.ValueOf(x))
}

// checkTune checks a study and fills in which of its domains are whole.
func (d *decoder) checkTune(s *Spec) {
	t := &s.Tune
	if !d.has("tune") {
		return
	}
	d.between("tune.trials", float64(t.Trials), 0, mostTrials)
	d.oneOf("tune.sampler", t.Sampler, "tpe", "random", "grid")
	d.between("tune.startup", float64(t.Startup), 0, mostTrials)
	d.between("tune.lag", float64(t.Lag), 1, mostLag)
	d.between("tune.epochs", float64(t.Epochs), 0, 1<<20)
	d.checkRungs(t, cmp.Or(t.Epochs, s.Train.Epochs))
	if len(t.Space) == 0 {
		d.at("tune.space", "is missing: name settings and what each may be, such as train.lr: {low: 0.0001, high: 0.01, log: true}")
		return
	}
	before := len(d.faults)
	for _, name := range slices.Sorted(maps.Keys(t.Space)) {
		domain := t.Space[name]
		d.checkDomain(name, &domain, t.Sampler)
		t.Space[name] = domain
	}
	if len(d.faults) == before {
		d.checkCombinations(s)
	}
}

func (d *decoder) checkRungs(t *TuneSpec, epochs int) {
	if len(t.Rungs) == 0 {
		return
	}
	d.between("tune.reduction", float64(t.Reduction), 2, mostReduction)
	if len(t.Rungs) > mostRungs {
		d.at("tune.rungs", "has %d rungs; at most %d are allowed", len(t.Rungs), mostRungs)
	}
	for k, r := range t.Rungs {
		path := fmt.Sprintf("tune.rungs[%d]", k)
		switch {
		case r < 1 || r >= epochs:
			d.at(path, "is %d; a rung lies from 1 to below the %d epochs of a trial", r, epochs)
		case k > 0 && r <= t.Rungs[k-1]:
			d.at(path, "is %d, not above the rung before it, %d", r, t.Rungs[k-1])
		}
	}
}

// checkDomain checks what one setting may be, apart from whether the setting may
// be that.
func (d *decoder) checkDomain(name string, t *TuneDomain, sampler string) {
	path := "tune.space." + name
	if !slices.Contains(Tunable(), name) {
		d.at(path, "is no setting that a study chooses; %s", hint(name, Tunable()))
		return
	}
	if len(t.Values) > 0 {
		d.checkValues(path, t)
		return
	}
	if kind := settingKind(name); kind == reflect.Bool || kind == reflect.String {
		d.at(path, "is missing its values: list them, such as [a, b]")
		return
	} else if kind == reflect.Int {
		t.Int = true
	}
	d.checkRange(path, t, sampler)
}

func (d *decoder) checkValues(path string, t *TuneDomain) {
	if t.Low != nil || t.High != nil || t.Step != 0 || t.Log || t.Int {
		d.at(path, "has values and a range (low, high, step, log, int): choose one")
	}
	if len(t.Values) > mostValues {
		d.at(path, "has %d values; at most %d are allowed", len(t.Values), mostValues)
		return
	}
	for k, v := range t.Values {
		at := fmt.Sprintf("%s.values[%d]", path, k)
		if v == nil {
			d.at(at, "is empty")
		} else if slices.Contains(t.Values[:k], v) {
			d.at(at, "%v is given twice", v)
		}
	}
}

func (d *decoder) checkRange(path string, t *TuneDomain, sampler string) {
	if t.Low == nil || t.High == nil {
		d.at(path, "needs values, or both low and high")
		return
	}
	low, high := *t.Low, *t.High
	switch {
	case low >= high:
		d.at(path, "has low %v, not below high %v", low, high)
	case t.Log && low <= 0:
		d.at(path, "has low %v; with log it is above 0", low)
	case t.Log && t.Step != 0:
		d.at(path, "has both log and step: choose one")
	case t.Step < 0 || t.Step > high-low:
		d.at(path, "has step %v, which is not within %v to %v", t.Step, low, high)
	case t.Step > 0 && (high-low)/t.Step > 1<<31:
		d.at(path, "has step %v, of which too many lie from %v to %v: make it longer, or leave it out", t.Step, low, high)
	case t.Int && (low != math.Trunc(low) || high != math.Trunc(high) || t.Step != math.Trunc(t.Step)):
		d.at(path, "is of whole numbers; low %v, high %v or step %v is none", low, high, t.Step)
	case t.Int && math.Max(math.Abs(low), math.Abs(high)) > 1<<31:
		d.at(path, "goes from %v to %v, which is too far", low, high)
	case sampler == "grid" && t.Step == 0 && !t.Int:
		d.at(path, "has no end of values: with sampler grid give values or a step")
	case sampler == "grid" && (high-low)/max(t.Step, minStep(t)) > mostValues:
		d.at(path, "has more than %d values from %v to %v: make the step longer", mostValues, low, high)
	}
}

func minStep(t *TuneDomain) float64 {
	if t.Int {
		return 1
	}
	return 0
}

// settingKind is the kind of the field that a path names.
func settingKind(path string) reflect.Kind {
	section, key, _ := strings.Cut(path, ".")
	t := reflect.TypeFor[TrainSpec]()
	if section == "model" {
		t = reflect.TypeFor[ModelSpec]()
	}
	return t.Field(slices.Index(keysOf(t), key)).Type.Kind()
}

// ends are the values that a domain is checked at: all of a list, both ends of a
// range.
func (t TuneDomain) ends() []json.RawMessage {
	values := t.Values
	if len(values) == 0 {
		values = []any{*t.Low, *t.High}
	}
	texts := make([]json.RawMessage, len(values))
	for k, v := range values {
		texts[k], _ = json.Marshal(v) // scalars, which JSON has
	}
	return texts
}

// mostCombinations is up to how many combinations of ends are all looked at; of
// more, each pair of settings with the first ends of the others.
const mostCombinations = 2048

// mostPairs keeps a job file's check within a second or so.
const mostPairs = 20_000

// checkCombinations lays combinations of the space over the job's settings and
// holds them to what is asked of those. The first fault of each setting is said.
func (d *decoder) checkCombinations(s *Spec) {
	names := slices.Sorted(maps.Keys(s.Tune.Space))
	ends, total := make([][]json.RawMessage, len(names)), 1
	for k, name := range names {
		ends[k] = s.Tune.Space[name].ends()
		total = min(total*len(ends[k]), mostCombinations+1)
	}
	found := map[string]string{}
	at := make([]int, len(names))
	try := func() { d.tryCombination(s, names, ends, at, found) }
	switch {
	case total <= mostCombinations:
		product(ends, at, try)
	case pairsOf(ends) > mostPairs:
		d.at("tune.space", "lists too many values to hold each to the others: give ranges (low, high) instead")
	default:
		pairs(ends, at, try)
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		d.at(path, "%s", found[path])
	}
}

func pairsOf(ends [][]json.RawMessage) (n int) {
	for a := range ends {
		for b := range a {
			n += len(ends[a]) * len(ends[b])
		}
	}
	return n
}

// product calls try at every combination of places.
func product(ends [][]json.RawMessage, at []int, try func()) {
	for {
		try()
		k := 0
		for ; k < len(at); k++ {
			if at[k]++; at[k] < len(ends[k]) {
				break
			}
			at[k] = 0
		}
		if k == len(at) {
			return
		}
	}
}

// pairs calls try at every combination of two places, the others the first.
func pairs(ends [][]json.RawMessage, at []int, try func()) {
	for a := range ends {
		for b := range a {
			for at[a] = range ends[a] {
				for at[b] = range ends[b] {
					try()
				}
			}
			at[a], at[b] = 0, 0
		}
	}
}

func (d *decoder) tryCombination(s *Spec, names []string, ends [][]json.RawMessage, at []int, found map[string]string) {
	chosen := map[string]json.RawMessage{}
	words := make([]string, len(names))
	for k, name := range names {
		chosen[name] = ends[k][at[k]]
		words[k] = name + " " + string(ends[k][at[k]])
	}
	laid, err := TrainSettings{Model: s.Model, Train: s.Train}.Overlay(chosen)
	if err != nil {
		path, text, _ := strings.Cut(err.Error(), " ")
		note(found, "tune.space."+path, text)
		return
	}
	trial := *s
	trial.Model, trial.Train = laid.Model, laid.Train
	e := newDecoder(d.file, nil)
	e.lines = d.lines
	e.checkModel(&trial.Model)
	e.checkTrain(&trial.Train)
	e.checkSums(&trial)
	for _, f := range e.faults {
		path, text, _ := strings.Cut(f.Text, " ")
		if _, ok := s.Tune.Space[path]; ok {
			note(found, "tune.space."+path, text)
		} else if !slices.ContainsFunc(d.faults, func(g Fault) bool { return g.Text == f.Text }) {
			note(found, "tune.space", fmt.Sprintf("comes to a fault with %s: %s", strings.Join(words, ", "), f.Text))
		}
	}
}

func note(found map[string]string, path, text string) {
	if _, ok := found[path]; !ok {
		found[path] = text
	}
}

func (d *decoder) checkCross(s *Spec) {
	if k := s.CrossValidate.Folds; k != 0 && (k < 2 || k > mostFolds) {
		d.at("cross_validate.folds", "is %d; want 2 to %d, or 0 for none", k, mostFolds)
	}
}

// Names of the stages of a study and of a cross-validation.
const (
	StudyStage = "tune"
	CrossStage = "cross-validate"
)

// FoldStage names the training of a fold, from 1 on.
func FoldStage(fold int) string { return fmt.Sprintf("fold-%d", fold) }

// TrialStage names a rung of a trial.
func TrialStage(study string, number, rung int) string {
	if rung == 0 {
		return fmt.Sprintf("%s.%d", study, number)
	}
	return fmt.Sprintf("%s.%d.%d", study, number, rung)
}

// builtin are the names of a pipeline's own stages.
func (s *Spec) builtin() []string {
	names := PipelineStages()
	if s.Tune.Trials > 0 {
		names = append(names, StudyStage)
	}
	if s.CrossValidate.Folds > 0 {
		names = append(names, CrossStage)
	}
	return append(names, lifeStages(s)...)
}

// checkReserved keeps a person's stages off the names of those that are added.
func (d *decoder) checkReserved(s *Spec) {
	for k, g := range s.Stages {
		for prefix, on := range map[string]bool{StudyStage + ".": s.Tune.Trials > 0, "fold-": s.CrossValidate.Folds > 0} {
			if on && strings.HasPrefix(g.Name, prefix) {
				d.at(fmt.Sprintf("stages[%d].name", k), "%q: names that begin with %q are taken by this job's own stages", g.Name, prefix)
			}
		}
	}
}
