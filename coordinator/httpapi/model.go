package httpapi

import (
	"net/http"
	"time"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func (a *api) serveModels() {
	a.leader("GET /v1/models", a.models)
	a.leader("GET /v1/models/{model}", a.model)
	a.leader("GET /v1/models/{model}/versions/{version}", a.version)
	a.leader("GET /v1/models/{model}/history", a.modelHistory)
	a.leader("POST /v1/models/{model}/promote", a.promote(false))
	a.leader("POST /v1/models/{model}/rollback", a.promote(true))
	a.leader("POST /v1/models/{model}/alias", a.setAlias)
	a.leader("POST /v1/models/{model}/notes", a.setNotes)
	a.leader("POST /v1/models/{model}/delete", a.deleteVersion)
	a.leader("POST /v1/models/{model}/reproduce", a.reproduce)
	a.leader("GET /v1/evaluations/{job}/{stage}", a.evaluation)
	a.leader("GET /v1/keys", a.keys)
}

func (a *api) models(w http.ResponseWriter, r *http.Request) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		return append([]*wire.Model{}, v.Models(on)...), nil
	})
}

func (a *api) model(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("model")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		m, ok := v.Model(on, name)
		if !ok {
			return nil, notFound("model", name)
		}
		view := wire.ModelView{Model: *m, List: []wire.ModelVersion{}}
		for _, version := range v.Versions(on, name) {
			view.List = append(view.List, *version)
		}
		return view, nil
	})
}

func (a *api) version(w http.ResponseWriter, r *http.Request) error {
	model, name := r.PathValue("model"), r.PathValue("version")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		if _, ok := v.Model(on, model); !ok {
			return nil, notFound("model", model)
		}
		version, ok := v.VersionNamed(on, model, name)
		if !ok {
			return nil, notFound("version of model "+model+" that is called", name)
		}
		view := wire.VersionView{ModelVersion: *version}
		if e, ok := v.Evaluation(on, version.Evaluation); ok {
			view.Found = e
		}
		return view, nil
	})
}

// modelHistory answers a model's changes, with the parameter at up to that time.
func (a *api) modelHistory(w http.ResponseWriter, r *http.Request) error {
	name, at := r.PathValue("model"), int64(0)
	if s := r.URL.Query().Get("at"); s != "" {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return invalid("at %q is no time such as 2006-01-02T15:04:05Z", s)
		}
		at = t.UnixMilli()
	}
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		if _, ok := v.Model(on, name); !ok {
			return nil, notFound("model", name)
		}
		reply := wire.HistoryReply{Model: name, At: at, Changes: []wire.ModelChange{}}
		for _, c := range v.History(on, name) {
			if at == 0 || c.Time <= at {
				reply.Changes = append(reply.Changes, c)
			}
		}
		stands := wire.Replay(reply.Changes)
		reply.Production, reply.Staging = stands.Production(), stands.Staging()
		return reply, nil
	})
}

func (a *api) evaluation(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("job") + "/" + r.PathValue("stage")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		e, ok := v.Evaluation(on, id)
		if !ok {
			return nil, notFound("evaluation", id)
		}
		return e, nil
	})
}

func (a *api) keys(w http.ResponseWriter, r *http.Request) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		return append([]*wire.SigningKey{}, v.Keys(on)...), nil
	})
}

// promote moves a version. Who is an admin is found here, whatever the request
// says.
func (a *api) promote(rollback bool) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := body[wire.Promote](r)
		if err != nil {
			return err
		}
		q.Model, q.Rollback = r.PathValue("model"), rollback
		if q.Admin, err = a.admin(r); err != nil {
			return err
		}
		return a.change(w, r, wire.CmdPromote, q)
	}
}

// change proposes a command and answers with its outcome.
func (a *api) change(w http.ResponseWriter, r *http.Request, n wire.Number, command any) error {
	out, err := a.propose(r, n, command)
	if err != nil {
		return err
	}
	return answer(w, out.Index, out)
}

func (a *api) setAlias(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.SetModel](r)
	if err != nil {
		return err
	}
	if q.Model, q.Notes = r.PathValue("model"), nil; q.Alias == "" {
		return invalid("alias is missing")
	}
	return a.change(w, r, wire.CmdSetModel, q)
}

// longestNote bounds a version's notes, bytes.
const longestNote = 10_000

func (a *api) setNotes(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.SetModel](r)
	if err != nil {
		return err
	}
	q.Model, q.Alias, q.Drop = r.PathValue("model"), "", false
	if q.Notes == nil || len(*q.Notes) > longestNote {
		return invalid("notes are a text of at most %d bytes", longestNote)
	}
	return a.change(w, r, wire.CmdSetModel, q)
}

func (a *api) deleteVersion(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.DeleteVersion](r)
	if err != nil {
		return err
	}
	q.Model = r.PathValue("model")
	return a.change(w, r, wire.CmdDeleteVersion, q)
}
