//go:build interop

package tune_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"cohort/dkt/tune"
)

// In the median over seeds TPE is as near to the optimum as Optuna's, or nearer:
// not beyond the upper quartile of Optuna's own seeds, with the same budget. That
// holds where trials are proposed one by one, as Optuna does, and where four
// run at once.
func TestInteropOptuna(t *testing.T) {
	const seeds, trials, startup = 51, 60, 10
	python := installPython(t)
	for _, p := range problems() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			peer := startPeer(t, python)
			theirs := make([]float64, seeds)
			ours := map[int][]float64{1: make([]float64, seeds), 4: make([]float64, seeds)}
			for seed := range seeds {
				s := tune.Study{Space: p.space, Sampler: tune.TPE, Startup: startup, Lag: 1, Seed: uint32(seed), Trials: trials, Epochs: 1}
				theirs[seed] = p.best - peer.study(t, s, p.value)
				for s.Lag = range ours {
					ours[s.Lag][seed] = regret(t, p, s)
				}
			}
			slices.Sort(theirs)
			low, median, high := theirs[seeds/4], theirs[seeds/2], theirs[seeds-1-seeds/4]
			t.Logf("regret of Optuna: quartiles %.4g %.4g %.4g", low, median, high)
			for lag, r := range ours {
				slices.Sort(r)
				t.Logf("regret with lag %d: quartiles %.4g %.4g %.4g", lag, r[seeds/4], r[seeds/2], r[seeds-1-seeds/4])
				if got := r[seeds/2]; !(got <= high) {
					t.Errorf("lag %d: median regret %g, beyond Optuna's quartiles %g and %g", lag, got, low, high)
				}
			}
		})
	}
}

// installPython installs the Python of the interop tests if need be.
func installPython(t *testing.T) (path string) {
	t.Helper()
	install := exec.CommandContext(t.Context(), "../../.ci/interop/python/install")
	install.Stderr = os.Stderr
	out, err := install.Output()
	if err != nil {
		t.Fatalf("install Python: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// peer is an Optuna that lives as long as a test.
type peer struct {
	in  io.Writer
	out *bufio.Scanner
}

func startPeer(t *testing.T, python string) *peer {
	t.Helper()
	cmd := exec.Command(python, "testdata/optuna_peer.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() //nolint:errcheck // it ends by its input
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("Optuna ended: %v", err)
		}
	})
	return &peer{in, bufio.NewScanner(out)}
}

// study runs one of Optuna's and answers its best value.
func (p *peer) study(t *testing.T, s tune.Study, value func(map[string]float64) float64) float64 {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(p.in, string(text))
	var all []float64
	for range s.Trials {
		if !p.out.Scan() {
			t.Fatalf("Optuna says no more after %d trials: %v", len(all), p.out.Err())
		}
		var x map[string]float64
		if err := json.Unmarshal(p.out.Bytes(), &x); err != nil {
			t.Fatalf("%q: %v", p.out.Text(), err)
		}
		all = append(all, value(x))
		fmt.Fprintln(p.in, all[len(all)-1])
	}
	return slices.Max(all)
}
