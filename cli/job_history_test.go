package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"cohort/coordinator/wire"
)

func TestHistoryTellsWhatEachRunDid(t *testing.T) {
	t.Parallel()
	runs := []wire.JobView{
		{
			Job:    wire.Job{ID: "weekly-2", Name: "weekly", Status: wire.Done, At: 1_700_000_000_000, Submitted: 1_700_000_001_000, Ended: 1_700_000_066_000},
			Stages: []wire.StageView{{Stage: wire.Stage{Name: "extract", Started: 5}}, {Stage: wire.Stage{Name: "train", Reused: "weekly-1/train"}}, {Stage: wire.Stage{Name: "tell"}}},
			Result: map[string]json.RawMessage{"test": json.RawMessage(`{"auc":0.81234}`)}, ValidAUC: 0.7,
		},
		{Job: wire.Job{ID: "weekly-1", Name: "weekly", Status: wire.Failed, Reason: "stage train failed: x", Submitted: 1_600_000_000_000, Ended: 1_600_000_002_000}, ValidAUC: 0.71},
	}
	f, url := newFake(t, map[string][]any{"GET /v1/jobs": {runs}})
	o := cohort(t, "", nil, "job", "history", "weekly", "--addr", url)
	want := []string{
		"JOB AT STATUS TOOK RAN REUSED AUC REASON",
		"weekly-2 2023-11-14 22:13Z done 1m05s extract train 0.8123 -",
		"weekly-1 2020-09-13 12:26Z failed 2s - - 0.7100 stage train failed: x",
	}
	for k, line := range strings.Split(strings.TrimSpace(o.out), "\n") {
		if k >= len(want) || strings.Join(strings.Fields(line), " ") != want[k] {
			t.Errorf("line %q; code %d, %s", line, o.code, o.err)
		}
	}
	if len(f.requests) != 1 {
		t.Errorf("requests %v", f.requests)
	}
}

func TestHistoryIsOfANameOrOfAJob(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	graph := func(name string) string {
		return strings.TrimSpace(cohort(t, "name: "+name+"\nkind: graph\nstages: [{name: s, kind: noop}]\n", nil, "job", "run", "-", "-d", "-q", "--addr", url).out)
	}
	first, other, second := graph("mine"), graph("other"), graph("mine")
	for _, c := range []struct{ args, want string }{
		{"mine", second + "\n" + first + "\n"},
		{first, second + "\n" + first + "\n"},
		{"mine --limit 1", second + "\n"},
		{"mine --limit 0", second + "\n" + first + "\n"},
		{other, other + "\n"},
	} {
		o := cohort(t, "", nil, append(strings.Fields("job history -q --addr "+url), strings.Fields(c.args)...)...)
		if o.code != 0 || o.out != c.want {
			t.Errorf("%s: got %+v, want %q", c.args, o, c.want)
		}
	}
	o := cohort(t, "", nil, "job", "history", "nobody", "--addr", url)
	o.expect(t, 4, `no job has the name or the id "nobody"`)
	o.oneLine(t)
}
