package alert

import (
	"fmt"
	"strings"

	"cohort/coordinator/wire"
)

const (
	// mostJobs is how many of the newest jobs are looked at.
	mostJobs = 1000
	// openFailure is for how long the failure of a job without a schedule counts,
	// milliseconds: nothing says that anybody will run it again.
	openFailure = 24 * 60 * 60 * 1000
	// flaps is how many leader changes within FlapWindow are too many.
	flaps = 3
	// longestText bounds the reason of a thing in a notice.
	longestText = 300
)

// find is all that is wrong, by condition.
func find(in Input) map[string][]fact {
	facts := map[string][]fact{}
	add := func(when string, f fact) { facts[when] = append(facts[when], f) }
	failedJobs(in, add)
	for _, j := range in.View.OpenJobs() {
		openJob(in, j, add)
	}
	workers(in, add)
	deployments(in, add)
	if in.Facts.LeaderChanges >= flaps {
		add(wire.WhenLeaderFlaps, fact{
			key: "leader", text: fmt.Sprintf("the coordinators' leader changed %d times or more in %v", flaps, FlapWindow),
			todo: "Look at the coordinators' logs, at their disks and at the network between them",
		})
	}
	return facts
}

// failedJobs are those that failed since the last run of their name that ended
// well. One that a person stopped has not failed; one that is tried again has not
// ended.
func failedJobs(in Input, add func(string, fact)) {
	well := map[string]bool{}
	for _, j := range in.View.Jobs(nil, mostJobs) { // newest first
		switch {
		case well[j.Name]:
		case j.Status == wire.Done:
			well[j.Name] = true
		case j.Status == wire.Failed && (j.Schedule != "" || in.Now-j.Ended < openFailure):
			failedJob(in, j, add)
		}
	}
}

func failedJob(in Input, j *wire.Job, add func(string, fact)) {
	f := fact{key: j.ID, labels: jobLabels(j), since: j.Ended}
	gate := failedGate(in.View, j.ID)
	switch {
	case gate == nil:
		f.text = fmt.Sprintf("job %s failed: %s", j.ID, short(j.Reason))
		f.todo = fmt.Sprintf("\"cohort job logs %s\" shows why; once it is mended, \"cohort job retry %s\" goes on with what is not done", j.ID, j.ID)
		add(wire.WhenJobFailed, f)
	case gate.Kind == wire.StageValidate:
		badData(j, gate, f, add)
	case lacksImprovement(in.View, j.ID):
	default:
		f.text = fmt.Sprintf("job %s ended at a gate of stage %s: %s", j.ID, gate.Name, short(gate.Reason))
		f.todo = fmt.Sprintf("\"cohort job status %s\" shows the numbers; look at the data or change the settings, and run it again", j.ID)
		add(wire.WhenJobFailed, f)
	}
}

// badData tells drift from the other checks of a validation, whose failures stand
// side by side in its reason.
func badData(j *wire.Job, gate *wire.Stage, f fact, add func(string, fact)) {
	f.todo = fmt.Sprintf("\"cohort job report %s\" shows each check; mend the source, or change the bounds in the job file, and run it again", j.ID)
	var drift, other []string
	for part := range strings.SplitSeq(gate.Reason, "; and ") {
		if strings.Contains(part, "drift.") {
			drift = append(drift, part)
		} else {
			other = append(other, part)
		}
	}
	if len(drift) > 0 {
		g := f
		g.text = fmt.Sprintf("the learners of %s have changed (job %s): %s", j.Name, j.ID, short(strings.Join(drift, "; ")))
		add(wire.WhenDrift, g)
	}
	if len(other) > 0 {
		f.text = fmt.Sprintf("data of %s did not pass (job %s): %s", j.Name, j.ID, short(strings.Join(other, "; ")))
		add(wire.WhenDataGate, f)
	}
}

func jobLabels(j *wire.Job) map[string]string {
	labels := map[string]string{"job": j.Name, "run": j.ID}
	if j.Schedule != "" {
		labels["schedule"] = j.Schedule
	}
	return labels
}

// failedGate is the stage whose gate ended a job, or nil.
func failedGate(v View, job string) *wire.Stage {
	for _, s := range v.Stages(nil, job) {
		if s.Status == wire.Failed && s.Cause == wire.CauseGate {
			return s
		}
	}
	return nil
}

// openJob looks at a job that goes on: is it late, does it wait too long?
func openJob(in Input, j *wire.Job, add func(string, fact)) {
	if j.Warning != "" {
		add(wire.WhenLate, fact{
			key: j.ID, labels: jobLabels(j), text: fmt.Sprintf("job %s is late: %s", j.ID, short(j.Warning)),
			todo: fmt.Sprintf("\"cohort job status %s\" shows what it waits for; \"cohort job stop %s\" ends it", j.ID, j.ID),
		})
	}
	for _, s := range in.View.Waiting(j.ID) {
		labels := jobLabels(j)
		labels["stage"] = s.Name
		add(wire.WhenWaiting, fact{
			key: j.ID + "/" + s.Name, labels: labels, text: fmt.Sprintf("stage %s of job %s %s", s.Name, j.ID, short(s.Reason)),
			todo: "\"cohort node list\" shows what is free; start another worker, or ask for less in the job file",
		})
	}
}

// workers are those that are lost. One that left in order, or that was taken out
// of service, is not.
func workers(in Input, add func(string, fact)) {
	ready := 0
	for _, n := range in.View.Nodes(nil) {
		if n.Status == wire.NodeReady {
			ready++
		}
		if n.Status != wire.NodeDown || strings.HasPrefix(n.Reason, wire.ReasonLeft) {
			continue
		}
		add(wire.WhenWorkerLost, fact{
			key: n.ID, labels: map[string]string{"worker": n.ID}, text: fmt.Sprintf("worker %s is lost: %s", n.ID, short(n.Reason)),
			todo: fmt.Sprintf("Its tasks run elsewhere. Start it again, or say with \"cohort node drain %s\" that it is gone for good", n.ID),
		})
	}
	if ready == 0 {
		add(wire.WhenNoWorkers, fact{
			key: "workers", text: "no worker takes tasks",
			todo: "Nothing runs. Start a worker, or take one back into service with \"cohort node undrain NODE\"",
		})
	}
}

// short bounds what others wrote to one line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > longestText {
		s = strings.ToValidUTF8(s[:longestText], "") + "…"
	}
	return strings.TrimRight(s, ".")
}
