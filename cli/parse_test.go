package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

func line(t *testing.T, words string) string {
	t.Helper()
	c, err := parse((&program{}).commands(), strings.Fields(words))
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	return strings.Join(c.line(), " ")
}

func TestFlagsWorkBeforeAndAfterArgumentsAtAnyLevel(t *testing.T) {
	t.Parallel()
	want := "cohort job run --output=json --detach --set=train.epochs=2 -- f.yaml"
	for _, words := range []string{
		"job run --output json --detach --set train.epochs=2 f.yaml",
		"job run f.yaml --output json --detach --set train.epochs=2",
		"--output json job --detach run --set train.epochs=2 f.yaml",
		"-output json -detach job run f.yaml -set train.epochs=2",
		"job -output=json run -detach f.yaml --set=train.epochs=2",
		"--output=json --detach --set=train.epochs=2 job run -- f.yaml",
	} {
		if got := line(t, words); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", words, got, want)
		}
	}
}

func TestReorderingKeepsWordsWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ words, want string }{
		{"job run -", "cohort job run -- -"},
		{"job run -o json -", "cohort job run --o=json -- -"},
		{"-q job list", "cohort job list --q --"},
		{"job list -q=false", "cohort job list --q=false --"},
		{"job run -- -f.yaml", "cohort job run -- -f.yaml"},
		{"job wait --timeout 5s 17", "cohort job wait --timeout=5s -- 17"},
		{"demo --fold -1", "cohort demo --fold=-1 --"},
		{"data simulate x.csv --students 5", "cohort data simulate --students=5 -- x.csv"},
		{"--version", "cohort version --"},
		{"job logs -f 17", "cohort job logs --f -- 17"},
	} {
		if got := line(t, c.words); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.words, got, c.want)
		}
	}
}

// A flag before its command must have one arity in the whole tree, or the next
// word could not be told from a value.
func TestAFlagNameTakesAValueEverywhereOrNowhere(t *testing.T) {
	t.Parallel()
	takes := map[string]bool{}
	visit((&program{}).commands(), func(c *cli.Command) {
		for _, f := range c.Flags {
			_, boolean := f.(*cli.BoolFlag)
			for _, name := range f.Names() {
				if before, known := takes[name]; known && before == boolean {
					t.Errorf("--%s of %s takes a value in one command and not in another", name, c.Name)
				}
				takes[name] = !boolean
			}
		}
	})
	if len(takes) < 10 {
		t.Errorf("only %d flags: the test looks at the wrong tree", len(takes))
	}
}

func TestWrongLinesAreUsageErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ words, want string }{
		{"jbo run", `unknown command "cohort jbo"; did you mean "cohort job"?`},
		{"job rnu f", `unknown command "cohort job rnu"; did you mean "cohort job run"?`},
		{"job", "cohort job needs a command: init, validate, plan, run, list, history, status, logs, wait, stop, retry, report"},
		{"--quiet", "cohort needs a command: demo, dev, coordinator, worker, job, tune, schedule, node, data, feature, model, deploy, alert, bench, doctor, version"},
		{"zzz", `unknown command "cohort zzz"; known: demo, dev, coordinator, worker, job, tune, schedule, node, data, feature, model, deploy, alert, bench, doctor, version`},
		{"job run", `cohort job run needs FILE; see "cohort job run --help"`},
		{"job run a b", `cohort job run: unexpected argument "b"; usage: cohort job run FILE`},
		{"job run --detahc f", `unknown flag --detahc of "cohort job run"; did you mean --detach?`},
		{"job list --detach", `unknown flag --detach of "cohort job list"; see "cohort job list --help"`},
		{"job run f --set", "flag --set needs a value"},
		{"demo --workers two", `--workers "two": want a whole number`},
		{"demo --seed -3", `--seed "-3": want a whole number, 0 or more`},
		{"bench serve --rate much", `--rate "much": want a number such as 0.02`},
		{"job wait --timeout 5 x", `--timeout "5": want a duration such as 30s or 5m`},
		{"job list --quiet=maybe", `--quiet "maybe": want true or false`},
	} {
		_, err := parse((&program{}).commands(), strings.Fields(c.words))
		if err == nil {
			t.Errorf("%s: no error", c.words)
			continue
		}
		if diff := cmp.Diff(c.want, err.Error()); diff != "" || exitCode(err, nil) != exitUsage {
			t.Errorf("%s: code %d, %s", c.words, exitCode(err, nil), diff)
		}
	}
}

func TestHelpIsFoundAnywhere(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"": "cohort", "help": "cohort", "--help": "cohort", "job --help": "cohort job", "help job run": "cohort job run",
		"job run -h": "cohort job run", "job help run": "cohort job run", "-h job run f.yaml": "cohort job run",
	} {
		c, err := parse((&program{}).commands(), strings.Fields(words))
		if err != nil || !c.help || c.name() != want {
			t.Errorf("%q: help %v of %q, error %v", words, c.help, c.name(), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("job run -o json f.yaml --set a=b")
	f.Add("-o=json --quiet=false -- - --")
	f.Fuzz(func(t *testing.T, words string) {
		c, err := parse((&program{}).commands(), strings.Fields(words))
		if err == nil && !c.help && c.leaf() == nil {
			t.Error("neither a command, nor help, nor an error")
		}
	})
}
