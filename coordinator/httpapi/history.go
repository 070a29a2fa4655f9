package httpapi

import (
	"net/http"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// runs lists the jobs of a name with their stages, newest first.
func (a *api) runs(w http.ResponseWriter, r *http.Request, name string, limit int) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		views := []wire.JobView{}
		for _, j := range v.JobsNamed(on, name, limit) {
			views = append(views, a.view(v, nil, j, mostStages))
		}
		return views, nil
	})
}
