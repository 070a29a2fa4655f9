package httpapi

import (
	"fmt"
	"net/http"
	"strconv"

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
	limit := mostStudies
	if s := r.URL.Query().Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("limit %q is no count", s)}
		}
		limit = n
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
