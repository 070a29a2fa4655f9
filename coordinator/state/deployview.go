package state

import (
	"cmp"
	"maps"
	"slices"

	"cohort/coordinator/wire"
)

// ServeStage is the name of the one stage of a job of kind serve.
const ServeStage = "serve"

// Deployments lists the deployments by model.
func (v *View) Deployments(w *Watch) []*wire.Deployment {
	return all[wire.Deployment](v, w, tableDeployments, "id")
}

// Deployment finds a model's deployment.
func (v *View) Deployment(w *Watch, model string) (*wire.Deployment, bool) {
	return get[wire.Deployment](v, w, tableDeployments, model)
}

// Replicas are the addresses, sorted, at which each version of a model is ready
// to serve under a live token. A version without any is left out.
func (v *View) Replicas(model string) map[int][]string {
	found := map[int][]string{}
	d, ok := v.Deployment(nil, model)
	if !ok {
		return found
	}
	for version, job := range d.Jobs {
		if addrs := readyAddrs(v.Tasks(nil, job, ServeStage)); len(addrs) > 0 {
			found[version] = addrs
		}
	}
	return found
}

// readyAddrs are those of the tasks that serve.
func readyAddrs(tasks []*wire.Task) []string {
	var addrs []string
	for _, k := range tasks {
		if k.Serves() {
			addrs = append(addrs, k.Addr)
		}
	}
	slices.Sort(addrs)
	return addrs
}

// Refused says why a move of traffic would be refused; nil: it would not.
func (v *View) Refused(c wire.MoveTraffic) *wire.Error {
	_, err := (&tx{Txn: v.txn}).checkTraffic(c)
	return err
}

// DeploymentView builds what a person or a program sees of a deployment; what
// its versions answer is the caller's to fill.
func DeploymentView(v *View, w *Watch, d *wire.Deployment) wire.DeploymentView {
	view := wire.DeploymentView{Deployment: *d, Versions: []wire.DeployedVersion{}}
	for _, version := range slices.SortedFunc(maps.Keys(d.Jobs), func(a, b int) int { return cmp.Compare(b, a) }) {
		tasks := v.Tasks(w, d.Jobs[version], ServeStage)
		row := wire.DeployedVersion{Version: version, Job: d.Jobs[version], Percent: d.Share(version), Wanted: len(tasks), Addrs: readyAddrs(tasks)}
		if row.Ready = len(row.Addrs); row.Ready == 0 {
			row.Addrs = []string{}
		}
		row.Reason = unready(v, w, d.Jobs[version], tasks)
		view.Versions = append(view.Versions, row)
	}
	return view
}

// unready says why not all replicas serve; empty: they do.
func unready(v *View, w *Watch, job string, tasks []*wire.Task) string {
	for _, k := range tasks {
		switch {
		case k.Serves():
		case k.Reason != "":
			return k.Reason
		case k.Status == wire.Running:
			return "replica " + k.ID + " loads the model on " + k.Node
		default:
			if s, ok := v.Stage(w, job, ServeStage); ok {
				return s.Reason
			}
		}
	}
	return ""
}
