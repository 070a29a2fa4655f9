package cli_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"cohort/bench"
)

func TestBenchPrintsLinesOrOneObject(t *testing.T) {
	long(t)
	events := filepath.Join(t.TempDir(), "e.csv")
	if r := cohort(t, "", nil, "data", "simulate", events, "--students", "60", "--answers", "12"); r.code != 0 {
		t.Fatal(r)
	}
	for _, args := range [][]string{
		{"bench", "kernels", "--hidden", "4"},
		{"bench", "train", "--hidden", "4", "--sequences", "10", "--events", events},
		{"bench", "train", "--hidden", "4,8", "--sequences", "10", "--direct", "--lazy", "--skills", "9"},
		{"bench", "data", "--students", "30", "--answers", "9"},
		{"bench", "serve", "--hidden", "8", "--skills", "5", "--length", "9", "--clients", "2", "--rate", "200", "--time", "50ms"},
	} {
		args = append(args, "--count", "1", "--threads", "2")
		lines := cohort(t, "", nil, args...)
		if lines.code != 0 || !strings.Contains(lines.out, "\ncpu: ") || !strings.Contains(lines.out, " ns/op ") {
			t.Errorf("%v: %+v", args, lines)
		}
		object := cohort(t, "", nil, append(args, "-o", "json")...)
		var r bench.Report
		if err := json.Unmarshal([]byte(object.out), &r); err != nil || len(r.Results) < 1 || r.Machine.Cores < 1 {
			t.Errorf("%v: %v\n%s", args, err, object.out)
		}
		if got := strings.Count(lines.out, "\nBenchmark"); got != len(r.Results) {
			t.Errorf("%v: %d lines, %d results", args, got, len(r.Results))
		}
	}
}

func TestBenchNamesWhatIsWrong(t *testing.T) {
	for want, args := range map[string][]string{
		"--hidden \"8,x\"":          {"bench", "train", "--hidden", "8,x"},
		"--sequences at least 5":    {"bench", "train", "--sequences", "2"},
		"--count and --threads":     {"bench", "data", "--count", "0"},
		"nowhere.csv: no such file": {"bench", "train", "--hidden", "8", "--events", "nowhere.csv"},
		"students is 0":             {"bench", "data", "--students", "0"},
		"--skills is 0, want 1":     {"bench", "serve", "--skills", "0"},
		"--rate is -1, want above":  {"bench", "serve", "--rate", "-1"},
		"--time is 1ms, want at":    {"bench", "serve", "--time", "1ms"},
		"--hidden are at least 1":   {"bench", "peers", "--hidden", "0"},
		"nofile.csv: no such file":  {"bench", "peers", "--events", "nofile.csv"},
	} {
		r := cohort(t, "", nil, args...)
		if r.code == 0 || !strings.Contains(r.err, want) || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%v: %d %q, want %q", args, r.code, r.err, want)
		}
	}
}
