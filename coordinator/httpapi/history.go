package httpapi

import (
	"net/http"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// history lists the jobs of a name with their stages, newest first.
func (a *api) history(w http.ResponseWriter, r *http.Request, name string, limit int) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		views := []wire.JobView{}
		for _, j := range v.Jobs(on, 0) {
			if j.Name != name {
				continue
			}
			if limit > 0 && len(views) == limit {
				break
			}
			views = append(views, a.view(v, nil, j, true))
		}
		return views, nil
	})
}
