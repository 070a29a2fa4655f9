//go:build interop

package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cohort/dkt/simulate"
)

// prometheus runs the real program on a configuration that scrapes the targets.
func prometheus(t *testing.T, targets map[string]string) (url string) {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("%v: .ci/interop/prometheus/install installs it", err)
	}
	config := "global: {scrape_interval: 1s}\nscrape_configs:\n"
	for name, addr := range targets {
		config += fmt.Sprintf("  - {job_name: %s, static_configs: [{targets: ['%s']}]}\n", name, addr)
	}
	addr := freePort(t)
	var log shared
	cmd := exec.Command(program, "--config.file="+write(t, "prometheus.yml", config), "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("prometheus: %v\n%s", err, log.String())
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + addr
}

// query asks PromQL and answers label set → value.
func query(t *testing.T, base, promQL string) map[string]float64 {
	t.Helper()
	r, err := http.Get(base + "/api/v1/query?query=" + url.QueryEscape(promQL))
	if err != nil {
		return nil // not up yet
	}
	defer r.Body.Close() //nolint:errcheck // tests
	var reply struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&reply); err != nil {
		return nil // likewise
	}
	found := map[string]float64{}
	for _, s := range reply.Data.Result {
		text, _ := s.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s: value %v", promQL, s.Value)
		}
		found[s.Metric["job"]+" "+s.Metric["job_id"]] = v
	}
	return found
}

func TestARealPrometheusScrapesCoordinatorAndWorker(t *testing.T) {
	dir, api, metrics := t.TempDir(), freePort(t), freePort(t)
	background(t, "coordinator", "--config", write(t, "c.yaml", fmt.Sprintf(
		"id: c\ndata_dir: %s/c\nhttp: %s\nraft: 127.0.0.1:0\ngossip: %s\nstream: %s\n", dir, api, freePort(t), freePort(t))))
	background(t, "worker", "--config", write(t, "w.yaml", fmt.Sprintf(
		"id: w\ndata_dir: %s/w\ncoordinators: [%s]\ncores: 1\nmetrics: %s\n", dir, api, metrics)))
	base := prometheus(t, map[string]string{"coordinator": api, "worker": metrics})
	until(t, "both are up", func() bool {
		up := query(t, base, "up")
		return up["coordinator "] == 1 && up["worker "] == 1
	})
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	o := cohort(t, jobOf(events), nil, "job", "run", "-", "-o", "json", "--addr", api, "--set", "train.workers=1")
	o.expect(t, 0, "")
	j := final(t, o)
	if j.ValidAUC == 0 {
		t.Fatalf("the job has no AUC: %+v", j)
	}
	var got map[string]float64
	until(t, "the job's AUC", func() bool {
		got = query(t, base, fmt.Sprintf(`cohort_training_valid_auc{job_id=%q,stage="train"}`, j.ID))
		return len(got) > 0 && len(query(t, base, fmt.Sprintf("cohort_pipeline_last_success_timestamp_seconds{job_name=%q}", j.Name))) > 0
	})
	if v := got["coordinator "+j.ID]; v != j.ValidAUC {
		t.Errorf("PromQL says %v, the job %v", got, j.ValidAUC)
	}
	until(t, "the worker's numbers", func() bool { return query(t, base, "cohort_worker_registered")["worker "] == 1 })
	if n := query(t, base, `rate(cohort_machine_cpu_seconds_total{mode="idle"}[10s])`); len(n) != 2 {
		t.Errorf("CPU of both: %v", n)
	}
	if !strings.HasPrefix(j.ID, j.Name) {
		t.Errorf("job %s of %s", j.ID, j.Name)
	}
}
