package httpapi

import (
	"fmt"
	"net/http"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func (a *api) serveStudies() {
	a.leader("GET /v1/studies", a.studies)
	a.leader("GET /v1/studies/{job}", a.study)
}

// mostStudies is how many studies a list without ?limit gives.
const mostStudies = 50

func (a *api) studies(w http.ResponseWriter, r *http.Request) error {
	limit, err := count(r, "limit", mostStudies)
	if err != nil {
		return err
	}
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		views := []wire.StudyView{}
		for _, s := range v.Studies(on, limit) {
			views = append(views, state.StudyView(v, on, s, false))
		}
		return views, nil
	})
}

func (a *api) study(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		if _, ok := v.Job(on, id); !ok {
			return nil, notFound("job", id)
		}
		s, ok := v.StudyOf(on, id)
		if !ok {
			return nil, &wire.Error{Code: wire.CodeNotFound, Message: fmt.Sprintf("job %s has no study: its file has no tune section with trials", id)}
		}
		return state.StudyView(v, on, s, true), nil
	})
}
