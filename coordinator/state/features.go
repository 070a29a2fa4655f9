package state

import (
	"cmp"
	"slices"
	"strings"

	"cohort/coordinator/wire"
)

// putFeatures keeps a feature set under its pipeline's name; made again, it is
// that pipeline's newest again.
func (t *tx) putFeatures(f wire.FeatureSet, job string) {
	f.Job = job
	f.CreateIndex, f.ModifyIndex, f.Created = t.index, t.index, t.now
	if old := first[wire.FeatureSet](t.Txn, tableFeatures, "id", f.Name, f.ID); old != nil {
		f.CreateIndex, f.Created = old.CreateIndex, old.Created
	}
	t.put(tableFeatures, &f)
}

// FeatureSets lists all feature sets, of each pipeline the newest first;
// pipelines by name.
func (v *View) FeatureSets(w *Watch) []*wire.FeatureSet {
	sets := all[wire.FeatureSet](v, w, tableFeatures, "id")
	slices.SortFunc(sets, func(a, b *wire.FeatureSet) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(b.ModifyIndex, a.ModifyIndex), strings.Compare(a.ID, b.ID))
	})
	return sets
}

// FeatureSet finds a feature set by its ID, or the newest one of the pipeline
// that has this name.
func (v *View) FeatureSet(w *Watch, idOrName string) (*wire.FeatureSet, bool) {
	if found := all[wire.FeatureSet](v, w, tableFeatures, "set", idOrName); len(found) > 0 {
		return found[0], true
	}
	for _, f := range v.FeatureSets(w) {
		if f.Name == idOrName {
			return f, true
		}
	}
	return nil, false
}
