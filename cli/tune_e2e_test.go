package cli_test

import (
	"fmt"
	"testing"

	"cohort/dkt/simulate"
)

// studyOf is a pipeline with a small study.
func studyOf(events string, lag int, more ...string) string {
	return pipelineOf(fmt.Sprintf("data: {events: %q}", events), append(more, fmt.Sprintf(`tune:
  trials: 6
  startup: 3
  lag: %d
  rungs: [1]
  reduction: 2
  epochs: 2
  space:
    model.hidden: [4, 8]
    train.lr: {low: 0.001, high: 0.1, log: true}
cross_validate: {folds: 2}`, lag))...)
}

func TestX(t *testing.T) {
	url := startCluster(t, 2).URL()
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	o := cohort(t, studyOf(events, 2), nil, "job", "run", "-", "--addr", url)
	fmt.Println(o.out, o.err, o.code)
	o = cohort(t, studyOf(events, 2), nil, "job", "run", "-", "-o", "json", "--addr", url)
	j := final(t, o)
	fmt.Println(o.err, o.code)
	for _, s := range j.Stages {
		fmt.Println(s.Name, s.Status, s.Reason, s.Parts, s.Best)
	}
	for k, v := range j.Result {
		fmt.Println(k, string(v)[:min(300, len(v))])
	}
	o = cohort(t, "", nil, "job", "status", j.ID, "--stages", "all", "--addr", url)
	fmt.Println(o.out, o.err, o.code)
}
