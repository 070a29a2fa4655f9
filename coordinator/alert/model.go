package alert

import (
	"fmt"
	"slices"
	"strings"

	"cohort/coordinator/wire"
)

// deployments looks at what serves.
func deployments(in Input, add func(string, fact)) {
	v := in.View
	for _, d := range v.Deployments(nil) {
		labels := map[string]string{"model": d.Model}
		if d.Undone {
			add(wire.WhenRolledBack, fact{
				key: d.Model, labels: labels, since: d.Moved,
				text: fmt.Sprintf("model %s was rolled back by itself: %s", d.Model, short(d.Reason)),
				todo: fmt.Sprintf("The version before answers. \"cohort deploy status %s\" shows what was out of bounds", d.Model),
			})
		}
		if text := degraded(d, v.Replicas(d.Model)); text != "" {
			add(wire.WhenDegraded, fact{
				key: d.Model, labels: labels, text: text,
				todo: fmt.Sprintf("\"cohort deploy status %s\" shows why; \"cohort node list\" shows whether workers are missing", d.Model),
			})
		}
	}
}

// degraded says which version that has traffic has too few replicas that are ready.
func degraded(d *wire.Deployment, ready map[int][]string) string {
	var texts []string
	for _, r := range d.Routes {
		if n := len(ready[r.Version]); r.Percent > 0 && n < d.Spec.Replicas {
			texts = append(texts, fmt.Sprintf("version %d of model %s has %d of %d replicas ready", r.Version, d.Model, n, d.Spec.Replicas))
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

// lacksImprovement reports whether a candidate is sound but no better than what is
// in production: a normal end.
func lacksImprovement(v View, job string) bool {
	for _, s := range v.Stages(nil, job) {
		if s.Kind != wire.StageEvaluate {
			continue
		}
		e, ok := v.Evaluation(nil, job+"/"+s.Name)
		if !ok {
			continue
		}
		failed := slices.DeleteFunc(slices.Clone(e.Gates), func(g wire.GateResult) bool { return g.Pass })
		return len(failed) > 0 && !slices.ContainsFunc(failed, func(g wire.GateResult) bool { return g.Name != "improvement" })
	}
	return false
}
