package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/dkt/simulate"
)

// TestMain is a competitor where the environment says so: it answers each event
// with the loss that it is told.
func TestMain(m *testing.M) {
	if dense, epoch, ok := strings.Cut(os.Getenv("PEER_LOSS"), " "); ok {
		_, _ = fmt.Fprintln(os.Stdout, "a fake")
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			if _, err := os.Stat(filepath.Join(os.Args[1], "sorted.i32")); err != nil {
				os.Exit(1)
			}
			loss := dense
			if s.Text() == "epoch" {
				loss = epoch
			}
			_, _ = fmt.Fprintf(os.Stdout, "{\"seconds\": 2, \"loss\": %s, \"auc\": 0.5}\n", loss)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestScenariosAreInterleavedAndSummedUp(t *testing.T) {
	var order []string
	turn := func(name string, value float64) Scenario {
		return Scenario{Name: name, Run: func(context.Context) ([]Metric, error) {
			order = append(order, name)
			value++
			return []Metric{{"ns/op", value}, {"percent_of_peak", 50}}, nil
		}}
	}
	var b bytes.Buffer
	r, err := Run(t.Context(), []Scenario{turn("A/x", 0), turn("B", 100)}, 3, &b)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "A/x B A/x B A/x B A/x B" { // the first round warms up
		t.Errorf("order is %s", got)
	}
	s := r.Results[0].Metrics["ns/op"]
	if s.Median != 3 || s.Min != 2 || s.Max != 4 || len(s.Samples) != 3 {
		t.Errorf("spread is %+v", s)
	}
	if !strings.Contains(b.String(), "goos: ") || !strings.Contains(b.String(), "\nBenchmarkA/x 1 2 ns/op 50 percent_of_peak\n") {
		t.Errorf("lines:\n%s", b.String())
	}
	if median([]float64{4, 1, 3, 2}) != 2.5 {
		t.Error("the median of four is the mean of the middle two")
	}
}

func TestAFaultNamesItsScenario(t *testing.T) {
	bad := errors.New("broken")
	s := []Scenario{{Name: "X", Run: func(context.Context) ([]Metric, error) { return nil, bad }}}
	if _, err := Run(t.Context(), s, 1, &bytes.Buffer{}); !errors.Is(err, bad) || !strings.HasPrefix(err.Error(), "X: ") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, s, 1, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// small is a load that a test can afford.
func small(ragged bool) Load {
	l := Dense(8)
	l.Batch, l.Steps, l.Ragged, l.Shape.Skills = 6, 9, ragged, 5
	return l
}

func metricsOf(t *testing.T, scenarios []Scenario) map[string]map[string]Spread {
	t.Helper()
	r, err := Run(t.Context(), scenarios, 1, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]Spread{}
	for _, result := range r.Results {
		for unit, s := range result.Metrics {
			if !(s.Median >= 0) || math.IsInf(s.Median, 0) {
				t.Errorf("%s: %s is %v", result.Name, unit, s.Median)
			}
		}
		all[result.Name] = result.Metrics
	}
	return all
}

func TestKernelsStandBesideThePeak(t *testing.T) {
	scenarios, done, err := Kernels([]Load{small(false)}, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	all := metricsOf(t, scenarios)
	peaks := 0
	for name, metrics := range all {
		if strings.Contains(name, "fma-peak") && metrics["GFLOP/s"].Median > 0 {
			peaks++
		}
		if strings.Contains(name, "/gradients/") && metrics["percent_of_peak"].Median <= 0 {
			t.Errorf("%s: %+v", name, metrics)
		}
	}
	if peaks == 0 || all["Kernels/memory-copy-2"]["GB/s"].Median <= 0 {
		t.Errorf("no limits of the machine among %d scenarios", len(all))
	}
	if _, _, err := Kernels([]Load{{}}, 1); err == nil {
		t.Error("a model without a shape was measured")
	}
}

func TestTrainingIsTakenApart(t *testing.T) {
	e, err := NewEpoch(small(true), 40)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(e.Data.Train.Seqs); n < 20 || n > 40 {
		t.Errorf("%d sequences", n)
	}
	scenarios, done, err := Train([]Epoch{e}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for name, metrics := range metricsOf(t, scenarios) {
		sum := 0.0
		for unit, s := range metrics {
			if strings.HasSuffix(unit, "_percent") {
				sum += s.Median
			}
		}
		if math.Abs(sum-100) > 1e-6 || metrics["answers/s"].Median <= 0 || metrics["percent_of_peak"].Median <= 0 {
			t.Errorf("%s: parts sum to %g %%: %+v", name, sum, metrics)
		}
	}
}

func learners() simulate.Config {
	return simulate.Config{Students: 60, Skills: 4, Answers: 12, Seed: 1}
}

func TestTheDataPlaneIsMeasured(t *testing.T) {
	scenarios, err := Data(learners())
	if err != nil {
		t.Fatal(err)
	}
	if all := metricsOf(t, scenarios); len(all) != 5 {
		t.Errorf("%d scenarios", len(all))
	}
}

// log writes a simulated event log.
func log(t *testing.T) Log {
	t.Helper()
	var b bytes.Buffer
	if _, err := simulate.WriteCSV(&b, learners()); err != nil {
		t.Fatal(err)
	}
	l := Log{Events: filepath.Join(t.TempDir(), "e.csv"), Window: 20}
	if err := os.WriteFile(l.Events, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestOnlyEqualsRace(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(sorted bool, dense, epoch float64) ([]Versus, error) {
		t.Setenv("PEER_LOSS", fmt.Sprint(dense, " ", epoch))
		peers := []Peer{{Name: "fake", Command: []string{self}, Sorted: sorted}}
		r, err := NewRace(t.Context(), log(t), 6, 1, peers)
		if err != nil {
			t.Fatal(err)
		}
		_, all, err := r.Run(t.Context(), 2, &bytes.Buffer{})
		return all, err
	}
	r, err := NewRace(t.Context(), log(t), 6, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := newRunner(r)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	if len(o.sorted) != len(o.train) || answers(o.sorted) != answers(o.train) {
		t.Error("batches by length lose sequences")
	}
	want, err := o.want(t.Context(), "dense", true)
	if err != nil || math.Abs(want-math.Ln2) > 0.1 {
		t.Errorf("a dense step's loss is %g: %v", want, err)
	}
	for _, sorted := range []bool{false, true} {
		epoch, err := o.want(t.Context(), "epoch", sorted)
		if err != nil {
			t.Fatal(err)
		}
		all, err := run(sorted, want, epoch)
		if err != nil || len(all) != 2 || all[1].Code != "a fake" || all[1].Ratio.Min <= 1 || len(all[1].Own.Samples) != 2 {
			t.Errorf("equals: %+v, %v", all, err)
		}
		if _, err := run(sorted, want, epoch*1.01); err == nil || !strings.Contains(err.Error(), "do not compute the same") {
			t.Errorf("another loss: %v", err)
		}
		if got, err := run(sorted, math.NaN(), epoch); err == nil {
			t.Errorf("a loss that is no number: %+v", got)
		}
	}
}
