//go:build linux

package cli_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
)

// hidden is the secret of every wrong input that has one.
const hidden = "hunter2-never-said"

// wrongInput is a job file and what becomes of it.
type wrongInput struct {
	name string
	text string // the job file; its name is put before it
	code int
	want string // of the one line on stderr; for code 0, of the job's report
}

// Whatever is wrong with a job or what it reads ends in one line that says what,
// tells no secret, and leaves the cluster as right as it was.
func TestWrongInputsAreNamedAndNothingIsLost(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 2, "sh").URL()
	w := newWrongs(t)
	right := "name: right\n" + pipelineWith(fmt.Sprintf("data: {events: %q}\nmask: {key: 'file:%s'}\n", w.file(t, "right.csv", w.text(keep)), w.file(t, "key", hidden)))
	before := hashOf(t, final(t, cohort(t, right, nil, "job", "run", "-", "-o", "json", "-q", "--addr", url)))
	rows := append(slices.Concat(w.files(), w.studies(t), w.life(t)), append(w.gates(t), append(w.sources(t), commands(t, w)...)...)...)
	t.Run("inputs", func(t *testing.T) {
		for _, c := range rows {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				runWrong(t, url, c)
			})
		}
		for _, c := range w.outages(t) {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				runOutage(t, url, c)
			})
		}
	})
	tellsNoSecret(t, url)
	again := final(t, cohort(t, right, nil, "job", "run", "-", "-o", "json", "-q", "--addr", url, "--set", "fresh=true"))
	if after := hashOf(t, again); after != before || reused(again) != "" {
		t.Errorf("after all of them the right job gives %s, before %s; reused %q", after, before, reused(again))
	}
	if unchanged := final(t, cohort(t, right, nil, "job", "run", "-", "-o", "json", "-q", "--addr", url)); reused(unchanged) != "extract validate features shard train evaluate" {
		t.Errorf("what the right job had made is lost: reused %q", reused(unchanged))
	}
}

// pipelineWith is pipelineOf without its name.
func pipelineWith(source string) string {
	_, rest, _ := strings.Cut(pipelineOf(source), "\n")
	return rest
}

func keep(int, []string) {}

func (c wrongInput) file() string {
	if strings.HasPrefix(c.text, "name:") || c.name == "no_name" || c.name == "not_yaml" {
		return c.text
	}
	return "name: " + c.name + "\n" + c.text
}

func runWrong(t *testing.T, url string, c wrongInput) {
	t.Helper()
	o := cohort(t, c.file(), nil, "job", "run", "-", "-o", "json", "-q", "--addr", url)
	t.Logf("| %s | %d | %s |", c.name, o.code, strings.TrimSpace(o.err))
	if strings.Contains(o.out+o.err, hidden) {
		t.Errorf("it tells the secret: %+v", o)
	}
	if c.code != 0 {
		o.expect(t, c.code, c.want)
		o.oneLine(t)
		return
	}
	if o.expect(t, 0, ""); o.err != "" {
		t.Errorf("stderr %q", o.err)
	}
	if report := cohort(t, "", nil, "job", "report", final(t, o).ID, "--addr", url); !strings.Contains(report.out, c.want) {
		t.Errorf("the report lacks %q: %+v", c.want, report)
	}
}

// runOutage waits until a job says what it tries again, and ends it.
func runOutage(t *testing.T, url string, c wrongInput) {
	t.Helper()
	o := cohort(t, c.file(), nil, "job", "run", "-", "--detach", "-q", "--addr", url)
	o.expect(t, 0, "")
	id := strings.TrimSpace(o.out)
	reason := ""
	until(t, "the outage", func() bool {
		var j wire.JobView
		o := cohort(t, "", nil, "job", "status", id, "-o", "json", "--addr", url)
		if err := json.Unmarshal([]byte(o.out), &j); err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		reason = j.Reason
		return strings.Contains(reason, "tried again after a pause")
	})
	t.Logf("| %s | | %s |", c.name, reason)
	if !strings.Contains(reason, c.want) || !strings.Contains(reason, "stage extract failed") || strings.Contains(reason, "\n") {
		t.Errorf("the reason is %q, want %q", reason, c.want)
	}
	cohort(t, "", nil, "job", "retry", id, "--from", "extract", "--addr", url).expect(t, 5, "is running")
	cohort(t, "", nil, "job", "stop", id, "--addr", url).expect(t, 0, "")
	cohort(t, "", nil, "job", "stop", id, "--addr", url).expect(t, 5, "is stopped already")
}

// tellsNoSecret looks for the secret in all that the cluster tells of its jobs.
func tellsNoSecret(t *testing.T, url string) {
	t.Helper()
	ids := strings.Fields(cohort(t, "", nil, "job", "list", "-q", "--addr", url).out)
	if len(ids) < 20 {
		t.Errorf("only %d jobs are listed", len(ids))
	}
	for _, id := range ids {
		for _, args := range [][]string{{"job", "logs", id}, {"job", "status", id, "-o", "json"}, {"job", "report", id}} {
			if o := cohort(t, "", nil, append(args, "--addr", url)...); strings.Contains(o.out+o.err, hidden) {
				t.Errorf("%v tells the secret: %+v", args, o)
			}
		}
	}
}

// files are job files that nothing runs of.
func (w *wrongs) files() []wrongInput {
	const data = "data: {events: right.csv}\n"
	const graph = "kind: graph\nstages:\n"
	with := pipelineWith
	when := func(s string) string { return with(data + "schedule: " + s + "\n") }
	return []wrongInput{
		{"no_name", with(data), 1, "name is missing"},
		{"not_yaml", "name: [\n", 1, "not YAML"},
		{"unknown_key", with(data + "validte: {}\n"), 1, `unknown key "validte" at the top level; did you mean "validate"?`},
		{"key_twice", with(data + "kind: train\n"), 1, "kind is given twice"},
		{"unknown_kind", strings.Replace(with(data), "pipeline", "pipline", 1), 1, `kind "pipline" is unknown`},
		{"text_for_number", strings.Replace(with(data), "epochs: 2", "epochs: two", 1), 1, `train.epochs: want a whole number, got "two"`},
		{"source_and_events", with(data + "source: {kind: lake, lake: {url: /x}}\n"), 1, "data.events and source are both given"},
		{"neither", with(""), 1, "data.events is missing: name a CSV file, or write a source"},
		{"secret_url", with("source: {kind: postgres, postgres: {url: 'postgres://joe:" + hidden + "@h/d', table: a}}\n"), 1, "source.postgres.url must be env:NAME or file:PATH, never the secret itself"},
		{"secret_password", with("source: {kind: kafka, kafka: {brokers: ['h:9'], topics: [a], sasl: {mechanism: plain, user: 'env:U', password: " + hidden + "}}}\n"), 1, "source.kafka.sasl.password must be env:NAME"},
		{"secret_key", with(data + "mask: {key: " + hidden + "}\n"), 1, "mask.key must be env:NAME or file:PATH"},
		{"secret_parameter", with("source: {kind: lake, lake: {url: 's3://b/x?secret=" + hidden + "'}}\n"), 1, "source.lake.url has a parameter that is unknown"},
		{"from_after_to", with("source: {kind: lake, from: 2026-02-01, to: 2026-01-01, lake: {url: /x}}\n"), 1, "source.to is 2026-01-01, not after from 2026-02-01"},
		{"from_no_span", with("source: {kind: lake, from: run-4w, lake: {url: /x}}\n"), 1, `source.from "run-4w" is no time before the run such as run-672h`},
		{"to_before_run", with("source: {kind: lake, to: run-24h, lake: {url: /x}}\n"), 1, `source.to "run-24h" is no time`},
		{"no_duration", with(data + "validate: {freshness: 3 days}\n"), 1, `validate.freshness "3 days" is no duration`},
		{"percent_for_share", with(data + "validate: {completeness: 95}\n"), 1, "validate.completeness is 95; a share lies between 0 and 1"},
		{"bad_cron", when("'0 25 * * 1'"), 1, `schedule.cron hour "25" is not understood`},
		{"bad_zone", when("{cron: '0 3 * * 1', zone: Mars/Base}"), 1, `schedule.zone "Mars/Base" is no IANA time zone`},
		{"bad_catchup", when("{cron: '0 3 * * 1', catchup: some}"), 1, `schedule.catchup "some" is unknown`},
		{"bad_overlap", when("{cron: '0 3 * * 1', overlap: kill}"), 1, `schedule.overlap "kill" is unknown`},
		{"cycle", graph + "- {name: a, kind: noop, after: [b]}\n- {name: b, kind: noop, after: [a]}\n", 1, `makes stage "a" wait for itself`},
		{"unknown_stage", graph + "- {name: a, kind: noop, after: [z]}\n", 1, `stages[0].after[0] "z" is unknown; known: a`},
		{"stage_twice", graph + "- {name: a, kind: noop}\n- {name: a, kind: noop}\n", 1, `"a" is taken by an earlier stage`},
		{"name_of_builtin", with(data + "stages: [{name: train, kind: exec, exec: {command: [sh]}}]\n"), 1, `"train" is taken by an earlier stage`},
		{"output_outside", graph + "- {name: s, kind: exec, exec: {command: [sh], outputs: [../o]}}\n", 1, "is no file name below the stage's folder"},
	}
}

// gates are logs that extraction or validation refuses, and one that a gate has no data for.
func (w *wrongs) gates(t *testing.T) []wrongInput {
	t.Helper()
	year := 365 * 24 * time.Hour
	every := func(n int, far time.Duration) func(int, []string) {
		return w.clock(func(k int, at time.Time) time.Time {
			if k%n == 0 {
				at = at.Add(far)
			}
			return at
		})
	}
	right := w.text(keep)
	clocked := w.text(every(1, 0))
	_, body, _ := strings.Cut(clocked, "\n")
	var zip bytes.Buffer
	z := gzip.NewWriter(&zip)
	_, _ = z.Write([]byte(right))
	_ = z.Close()
	with := pipelineWith
	return []wrongInput{
		{"no_column", with(w.named(t, "c1.csv", strings.Replace(right, "skill_id", "skil", 1))), 8, `c1.csv, column "skill_id": no such column, for columns.skill`},
		{"header_alone", with(w.named(t, "c2.csv", rightHeader)), 8, "c2.csv: no events"},
		{"no_bytes", with(w.named(t, "c3.csv", "")), 8, "c3.csv: the file is empty"},
		{"cut_gzip", with(w.named(t, "c4.csv.gz", zip.String()[:zip.Len()-40])), 8, "c4.csv.gz, row"},
		{"not_utf8", with(w.events(t, "c5.csv", func(_ int, row []string) { row[1] = "\xef" + row[1] })), 8, `column "user_id": the text is not UTF-8`},
		{"no_time", with(w.events(t, "c6.csv", func(_ int, row []string) { row[0] = "soon" })), 8, `"soon" is no time`},
		{"no_events_file", with("data: {events: " + filepath.Join(w.dir, "gone.csv") + "}\n"), 4, "gone.csv: no such file or directory"},
		{"no_mask_variable", with(w.named(t, "c7.csv", right) + "mask: {key: 'env:COHORT_NOT_SET'}\n"), 8, "the environment of this worker has no COHORT_NOT_SET"},
		{"no_mask_file", with(w.named(t, "c8.csv", right) + "mask: {key: 'file:/no/such/key'}\n"), 8, "mask key: file:/no/such/key: no such file"},
		{"some_not_events", with(w.events(t, "g1.csv", func(k int, row []string) {
			if k%10 == 0 {
				row[5] = "perhaps"
			}
		})), 3, "completeness 0.9"},
		{"nulls", with(w.events(t, "g2.csv", func(k int, row []string) {
			if k%5 == 0 {
				row[2] = ""
			}
		})), 3, "nulls 0.201 is above 0.05: column problem_id is empty in"},
		{"sent_twice", with(w.named(t, "g3.csv", clocked+body)), 3, "duplicates 0.5"},
		{"all_right", with(w.events(t, "g4.csv", func(_ int, row []string) { row[5] = "1" })), 3, "min_class 0.000 is below 0.01"},
		{"too_few", with(w.named(t, "g5.csv", right) + "validate: {min_events: 10000}\n"), 3, "min_events 707 is below 10,000"},
		{"old", with(w.events(t, "g6.csv", every(1, -year)) + "validate: {freshness: 24h}\n"), 3, "freshness 365 days"},
		{"skewed_clock", with(w.events(t, "g7.csv", every(4, year))), 3, "time later than the run by more than the skew allowed (177)"},
		{"gate_without_data", with(w.named(t, "g8.csv", right) + "validate: {freshness: 24h}\n"), 0, "freshness: not applicable, event times only give an order"},
	}
}

// sources are sources that lack something.
func (w *wrongs) sources(t *testing.T) []wrongInput {
	t.Helper()
	whole := w.parquetOf(t, len(w.rows))
	with := pipelineWith
	url := w.file(t, "wrong-url", "postgres://joe:"+hidden+"@"+refusing(t)+"/d?sslmode=disable")
	odd := w.file(t, "odd-url", hidden)
	broker := w.topic(t, "attempts", func(int, map[string]string) {})
	changed := w.topic(t, "attempts", func(k int, v map[string]string) {
		if k >= len(w.rows)/2 {
			v["outcome"] = v["correct"]
			delete(v, "correct")
		}
	})
	kafka := func(broker, topic string) string {
		return with(fmt.Sprintf("source: {kind: kafka, kafka: {brokers: [%q], topics: [%s]}}\n", broker, topic))
	}
	postgres := func(ref string) string {
		return with("source: {kind: postgres, postgres: {url: '" + ref + "', table: attempts}}\n")
	}
	return []wrongInput{
		{"no_folder", with("source: {kind: lake, lake: {url: /no/such/folder}}\n"), 8, "/no/such/folder: no such file or folder"},
		{"empty_folder", with(w.lake(t, "l1", "README", nil)), 8, "holds no file that matches"},
		{"cut_parquet", with(w.lake(t, "l2", "a.parquet", whole[:len(whole)*2/3])), 8, "a.parquet"},
		{"zero_rows", with(w.lake(t, "l3", "a.parquet", w.parquetOf(t, 0))), 8, "no events"},
		{"text_as_parquet", with(w.lake(t, "l4", "a.parquet", []byte(w.text(keep)))), 8, "a.parquet"},
		{"no_column_in_parquet", strings.Replace(with(w.lake(t, "l5", "a.parquet", whole)), "split:", "data: {columns: {student: user_id, item: problem_id, skill: skil_id, correct: correct, time: order_id}}\nsplit:", 1), 8, `did you mean "skill_id"?`},
		{"no_url_variable", postgres("env:COHORT_NOT_SET"), 8, "source.postgres.url: env:COHORT_NOT_SET: the environment of this worker has no COHORT_NOT_SET"},
		{"odd_url", postgres("file:" + odd), 8, "it is no URL of a PostgreSQL server"},
		{"wrong_password", postgres("file:" + url), 8, "the password is wrong (SQLSTATE 28P01)"},
		{"no_topic", kafka(broker, "atempts"), 8, `kafka atempts: there is no such topic; did you mean "attempts"?`},
		{"topic_changes", kafka(changed, "attempts"), 3, "completeness 0.4"},
	}
}

// outages are sources that do not answer.
func (w *wrongs) outages(t *testing.T) []wrongInput {
	t.Helper()
	url := w.file(t, "closed-url", "postgres://joe:"+hidden+"@"+freePort(t)+"/d")
	return []wrongInput{
		{"no_broker", pipelineWith(fmt.Sprintf("source: {kind: kafka, kafka: {brokers: [%q], topics: [a]}}\n", freePort(t))), 0, "no broker of source.kafka.brokers answers (connection refused)"},
		{"no_server", pipelineWith("source: {kind: postgres, postgres: {url: 'file:" + url + "', table: a}}\n"), 0, "the server can't be reached: connection refused"},
	}
}

// commands are exec stages that go wrong.
func commands(t *testing.T, w *wrongs) []wrongInput {
	t.Helper()
	exec := func(command, more, limit string) string {
		return fmt.Sprintf("kind: graph\nstages:\n- {name: s, kind: exec, retries: -1%s, exec: {command: [sh, -c, %q]%s}}\n", limit, command, more)
	}
	token := fmt.Sprintf(", env: ['TOKEN=file:%s']", w.file(t, "token", hidden))
	return []wrongInput{
		{"not_allowed", "kind: graph\nstages: [{name: s, kind: exec, exec: {command: [python3, x]}}]\n", 8, `program "python3" is not among those that this worker allows: sh`},
		{"fails", exec("echo no luck >&2; exit 7", "", ""), 8, "exit code 7: no luck"},
		{"tells_its_secret", exec("echo $TOKEN >&2; exit 3", token, ""), 8, "exit code 3: ***"},
		{"no_secret", exec("true", ", env: ['TOKEN=env:COHORT_NOT_SET']", ""), 8, "has no COHORT_NOT_SET"},
		{"forks_and_hangs", exec("(sleep 300 &); setsid sleep 300 & sleep 300", "", ", timeout: 500ms"), 8, "stage s took longer than 500ms"},
		{"too_much_memory", exec("exec tail -n 1 /dev/zero", ", memory_mb: 256", ""), 8, "over the 256 MB that exec.memory_mb allows"},
		{"no_output", exec("true", ", outputs: [o]", ""), 8, "output o: the command ended well without leaving this file"},
		{"link_outside", exec("ln -s /etc/passwd o", ", outputs: [o]", ""), 8, "the command left a link that leads out of its folder"},
		{"binary_garbage", exec(`printf 'red \033[31m \377\001 ink' >&2; exit 1`, "", ""), 8, "exit code 1: red"},
		{"killed", exec("kill -9 $$", "", ""), 8, "ended by signal 9 (killed)"},
	}
}
