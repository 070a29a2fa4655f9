package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// reproduce submits the job that makes a version again. What it goes by must be
// what was signed.
func (a *api) reproduce(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.ReproduceRequest](r)
	if err != nil {
		return err
	}
	view, model := a.State.Read(), r.PathValue("model")
	v, made, err := recordOf(view, model, q.Version)
	if err != nil {
		return err
	}
	m, err := a.signedManifest(r, view, v)
	if err != nil {
		return err
	}
	spec, err := wire.ParseSpec("job file of "+made.ID, []byte(made.Spec))
	if err != nil {
		return invalid("%v", err)
	}
	stages, err := schedule.Reproduce(spec, runOf(view, made), m, v.Manifest)
	if err != nil {
		return invalid("%v", err)
	}
	name := "reproduce-" + schedule.ServeName(v.Model, v.Version)
	return a.write(w, r, wire.CmdSubmitJob, wire.SubmitJob{
		Job: wire.Job{
			ID: jobID(name), Name: name, Kind: made.Kind, Priority: made.Priority, At: time.Now().UnixMilli(),
			Spec: made.Spec, SpecHash: made.SpecHash,
		},
		Stages: stages,
	})
}

// recordOf finds a version and the job that made it.
func recordOf(view *state.View, model string, n int) (*wire.ModelVersion, *wire.Job, error) {
	if _, ok := view.Model(nil, model); !ok {
		return nil, nil, notFound("model", model)
	}
	v, ok := view.Version(nil, model, n)
	if !ok {
		return nil, nil, notFound("version of model "+model+" that is called", strconv.Itoa(n))
	}
	made, ok := view.Job(nil, v.Job)
	if !ok {
		return nil, nil, notFound("job, which made "+refOf(v)+", called", v.Job)
	}
	return v, made, nil
}

func refOf(v *wire.ModelVersion) string { return v.Model + "@" + strconv.Itoa(v.Version) }

// signedManifest reads a version's manifest, as it was signed.
func (a *api) signedManifest(r *http.Request, view *state.View, v *wire.ModelVersion) (m wire.ModelManifest, err error) {
	key, ok := view.Key(nil, v.Key)
	if !ok {
		return m, notFound("signing key", v.Key)
	}
	refuse := func(why string) error {
		return &wire.Error{Code: wire.CodeConflict, Message: refOf(v) + " is not what was registered: " + why}
	}
	if !v.SignedBy(key.Public) {
		return m, refuse("the signature is not key " + v.Key + "'s of manifest " + v.Manifest)
	}
	if m, err = a.manifest(r.Context(), v); err != nil {
		if code := Fault(err).Code; code == wire.CodeNotFound || code == wire.CodeInvalid || errors.Is(err, lake.ErrCorrupt) {
			return m, refuse("manifest: " + err.Error())
		}
		return m, err
	}
	if fault := v.Differs(m); fault != "" {
		return m, refuse("manifest " + v.Manifest + ": " + fault)
	}
	return m, nil
}

// runOf is what a job was run for. Events after the bound that its data were
// checked with are left out again.
func runOf(view *state.View, j *wire.Job) schedule.Run {
	run := schedule.Run{At: j.At}
	var set wire.ValidateSettings
	if s, ok := view.Stage(nil, j.ID, "validate"); ok && json.Unmarshal(s.Settings, &set) == nil {
		run.Backfill = set.To > 0
	}
	return run
}
