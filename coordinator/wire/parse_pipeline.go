package wire

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// DefaultValidate are the bounds of a dataset that is fit to learn from.
func DefaultValidate() ValidateSpec {
	return ValidateSpec{Completeness: 0.95, Nulls: 0.05, Duplicates: 0.05, Skew: "1h", MinClass: 0.01, Drift: true}
}

// checkPipeline checks what only a job of kind pipeline has.
func (d *decoder) checkPipeline(s *Spec) {
	d.checkEvents(s)
	d.checkMask(s.Mask)
	d.checkSplit(&s.Split, s.Data)
	d.checkModel(&s.Model)
	d.checkInputs(s)
	d.checkTrain(&s.Train)
	d.checkSums(s)
	d.checkValidate(s.Validate)
	d.checkFeatures(s.Features)
	d.checkTune(s)
	d.checkCross(s)
	d.checkLife(s)
	d.checkExtra(s)
}

// only refuses the sections of kind pipeline.
func (d *decoder) only(s *Spec) {
	for _, path := range []string{"source", "tune", "cross_validate", "gates", "register", "deploy"} {
		if d.has(path) {
			d.at(path, "is for kind pipeline, this job is of kind %s", s.Kind)
		}
	}
}

// checkEvents wants one source: a section, or a file of data.events.
func (d *decoder) checkEvents(s *Spec) {
	src := &s.Source
	if src.Kind == "" && d.has("source") {
		d.at("source.kind", "is missing; known: kafka, postgres, lake, attempts (a CSV file goes into data.events)")
		return
	}
	d.checkBounds(src)
	if src.Kind == "" && s.Data.Events == "" {
		d.at("data.events", "is missing: name a CSV file, or write a source: kafka, postgres, lake or attempts")
		return
	}
	if src.Kind == "" {
		d.checkData(&s.Data)
		if strings.HasPrefix(s.Data.Events, "dataset:") {
			d.at("data.events", "is a dataset already; a pipeline extracts one")
		}
		return
	}
	if s.Data.Events != "" {
		d.at("data.events", "and source are both given; events come from one of them")
	}
	d.fixColumns(s)
	d.checkColumns(&s.Data)
	if s.Split.File != "" {
		d.at("split.file", "needs data.events to be a file: with a source, students are split by hash")
	}
	switch src.Kind {
	case "kafka":
		d.checkKafka(src.Kafka)
	case "postgres":
		d.checkPostgres(&src.Postgres)
		if key := cmp.Or(src.Postgres.Key, "id"); key == s.Data.Columns.Student {
			d.at("source.postgres.key", "is %s, the student: keys stand in plans, and students are masked", key)
		}
	case "lake":
		d.checkLake(src.Lake)
	case SourceAttempts:
	default:
		d.oneOf("source.kind", src.Kind, "kafka", "postgres", "lake", SourceAttempts)
	}
}

// ParseBound reads a bound of time: 2006-01-02 or RFC 3339, in UTC.
func ParseBound(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is no time such as 2006-01-02 or 2006-01-02T15:04:05Z", s)
	}
	return t.UTC(), nil
}

// Run is the word for the time that a run is for.
const Run = "run"

// BeforeRun reads a bound that moves with the runs, "run-672h": so long before the
// time that the run is for. ok says that s is meant so; a span of 0 is none that
// can be read.
func BeforeRun(s string) (span time.Duration, ok bool) {
	text, ok := strings.CutPrefix(s, Run+"-")
	if !ok {
		return 0, false
	}
	span, err := time.ParseDuration(text)
	if err != nil || span < time.Millisecond {
		return 0, true
	}
	return span, true
}

func (d *decoder) checkBounds(s *SourceSpec) {
	var bounds [2]time.Time
	for k, b := range []struct{ path, value string }{{"source.from", s.From}, {"source.to", s.To}} {
		if b.value == "" || b.value == Run && k == 1 {
			continue
		}
		if span, ok := BeforeRun(b.value); ok && k == 0 {
			if span <= 0 {
				d.at(b.path, "%q is no time before the run such as run-672h, four weeks", b.value)
			}
			continue
		}
		var err error
		if bounds[k], err = ParseBound(b.value); err != nil {
			d.at(b.path, "%v", err)
		}
	}
	if !bounds[0].IsZero() && !bounds[1].IsZero() && !bounds[0].Before(bounds[1]) {
		d.at("source.to", "is %s, not after from %s", s.To, s.From)
	}
}

var hostPort = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]+:[0-9]{1,5}$`)

func (d *decoder) checkKafka(k KafkaSpec) {
	if len(k.Brokers) == 0 {
		d.at("source.kafka.brokers", "is missing: list HOST:PORT")
	}
	for j, b := range k.Brokers {
		if !hostPort.MatchString(b) {
			d.at(fmt.Sprintf("source.kafka.brokers[%d]", j), "is no HOST:PORT")
		}
	}
	if len(k.Topics) == 0 {
		d.at("source.kafka.topics", "is missing: list topics")
	}
	if (k.TLS.Cert == "") != (k.TLS.Key == "") {
		d.at("source.kafka.tls", "needs both cert and key, or neither")
	}
	if k.SASL.Mechanism == "" {
		if k.SASL.User != "" || k.SASL.Password != "" {
			d.at("source.kafka.sasl.mechanism", "is missing; known: plain, scram-sha-256, scram-sha-512")
		}
		return
	}
	d.oneOf("source.kafka.sasl.mechanism", k.SASL.Mechanism, "plain", "scram-sha-256", "scram-sha-512")
	d.checkReference("source.kafka.sasl.user", k.SASL.User)
	d.checkReference("source.kafka.sasl.password", k.SASL.Password)
}

// identifier is a table or column that needs no quotes, with a schema or not.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$`)

func (d *decoder) checkPostgres(p *PostgresSpec) {
	d.checkReference("source.postgres.url", p.URL)
	switch {
	case (p.Table == "") == (p.Query == ""):
		d.at("source.postgres", "needs a table or a query, one of them")
	case p.Table != "" && !identifier.MatchString(p.Table):
		d.at("source.postgres.table", "%q is no table name such as public.attempts", p.Table)
	}
	if p.Key != "" && !identifier.MatchString(p.Key) {
		d.at("source.postgres.key", "%q is no column name", p.Key)
	}
	d.between("source.postgres.batch", float64(p.Batch), 0, 1<<20)
}

// checkReference never repeats the value: it may be the secret itself.
func (d *decoder) checkReference(path, ref string) {
	switch {
	case ref == "":
		d.at(path, "is missing: env:NAME or file:PATH")
	case !Reference(ref):
		d.at(path, "must be env:NAME or file:PATH, never the secret itself")
	}
}

func (d *decoder) checkValidate(v ValidateSpec) {
	for _, f := range []struct {
		path  string
		value float64
	}{
		{"validate.completeness", v.Completeness},
		{"validate.nulls", v.Nulls},
		{"validate.duplicates", v.Duplicates},
		{"validate.min_class", v.MinClass},
	} {
		if f.value < 0 || f.value > 1 {
			d.at(f.path, "is %v; a share lies between 0 and 1", f.value)
		}
	}
	d.checkDuration("validate.freshness", v.Freshness)
	d.checkDuration("validate.skew", v.Skew)
}

func (d *decoder) checkDuration(path, value string) {
	if value == "" {
		return
	}
	if t, err := time.ParseDuration(value); err != nil || t <= 0 {
		d.at(path, "%q is no duration such as 90m or 48h", value)
	}
}

func (d *decoder) checkFeatures(f FeaturesSpec) {
	if f.Cut != "" && f.Cut != Run {
		if _, err := ParseBound(f.Cut); err != nil {
			d.at("features.cut", "%v", err)
		}
	}
	d.between("features.recent", float64(f.Recent), 0, 1<<16)
	d.checkDuration("features.gap", f.Gap)
}

// PipelineStages are the built-in stages of a pipeline, in order.
func PipelineStages() []string {
	return []string{"extract", "validate", "features", "shard", "train", "evaluate"}
}

// checkExtra checks a pipeline's exec stages.
func (d *decoder) checkExtra(s *Spec) {
	d.checkNodes(s.Stages, s.builtin(), StageExec)
	d.checkReserved(s)
}

// checkExec checks a command.
func (d *decoder) checkExec(path string, e *ExecSpec) {
	if len(e.Command) == 0 || e.Command[0] == "" {
		d.at(path+".command", "is missing: the program and its arguments, as a list")
	}
	var names []string
	take := func(at, name string) {
		if !LocalFile(name) {
			d.at(at, "%q is no file name below the stage's folder", name)
		} else if slices.Contains(names, name) {
			d.at(at, "%q is taken by another input or output", name)
		}
		names = append(names, name)
	}
	for k, in := range e.Inputs {
		at := fmt.Sprintf("%s.inputs[%d]", path, k)
		take(at+".name", in.Name)
		if in.From == "" {
			d.at(at+".from", "is missing: STAGE/OUTPUT, or a file")
		}
	}
	for k, out := range e.Outputs {
		take(fmt.Sprintf("%s.outputs[%d]", path, k), out)
	}
	for k, v := range e.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			d.at(fmt.Sprintf("%s.env[%d]", path, k), "want NAME=VALUE, or NAME=env:NAME for a secret")
		}
	}
	d.between(path+".memory_mb", float64(e.MemoryMB), 0, 1<<24)
}
