package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// Registry is what a promotion asks of the coordinator, which checks the gates.
type Registry interface {
	Versions(ctx context.Context, model string) ([]wire.ModelVersion, error)
	Promote(ctx context.Context, p wire.Promote) (wire.Outcome, error)
	StartDeployment(ctx context.Context, model string, r wire.DeployRequest) (wire.Outcome, error)
}

// promoted is a promotion's result.
type promoted struct {
	Promoted bool   `json:"promoted"`
	Version  int    `json:"version"`
	Why      string `json:"why"`
}

// runPromote asks for a version to go into production. A candidate that is sound
// but no better than what is there is a normal end.
func runPromote(ctx context.Context, env Env, st wire.Stage) (r wire.TaskResult, err error) {
	s, err := settings[wire.PromoteSettings](st)
	if err != nil {
		return r, err
	}
	version, err := registered(ctx, env, s.Name, st.Inputs["manifest"])
	if err != nil {
		return r, err
	}
	env.Progress(wire.Progress{Message: fmt.Sprintf("promoting version %d of %s", version, s.Name)})
	why := "the gates of job " + st.Job + " are passed"
	out := promoted{Promoted: true, Version: version, Why: why}
	if err := promote(ctx, env, s, version, why); err != nil {
		refused, ok := errors.AsType[*wire.Error](err)
		if ok && refused.Code == wire.CodeInvalid {
			return r, &source.InputError{File: "stage " + st.Name, Text: refused.Message} // and would be again
		}
		if !ok || refused.Code != wire.CodeGate {
			return r, err
		}
		only, err := improvementOnly(ctx, env, s.Gates, st.Inputs["evaluation"])
		if err != nil {
			return r, err
		}
		if !only {
			return r, &GateError{refused.Message}
		}
		out.Promoted, out.Why = false, refused.Message
	}
	env.Logger.Info("promotion", "model", s.Name, "version", version, "promoted", out.Promoted, "why", out.Why)
	r.Outputs = map[string]string{}
	if r.Result, err = json.Marshal(out); err != nil {
		return r, fmt.Errorf("encode result: %w", err)
	}
	return r, nil
}

// registered finds the version of a manifest. The coordinator that answers may be
// a little behind the one that registered: then it is asked again.
func registered(ctx context.Context, env Env, model, manifest string) (int, error) {
	all, err := env.Registry.Versions(ctx, model)
	if err != nil {
		return 0, fmt.Errorf("versions of model %s: %w", model, err)
	}
	for _, v := range all {
		if v.Manifest == manifest {
			return v.Version, nil
		}
	}
	return 0, fmt.Errorf("model %s has no version of manifest %s yet", model, manifest)
}

// promote moves the version into production at once, or has its replicas started
// and the traffic moved.
func promote(ctx context.Context, env Env, s wire.PromoteSettings, version int, why string) error {
	var out wire.Outcome
	var err error
	if s.Deploy != nil {
		out, err = env.Registry.StartDeployment(ctx, s.Name, wire.DeployRequest{Version: version, Spec: *s.Deploy, Auto: true, Reason: why})
	} else {
		out, err = env.Registry.Promote(ctx, wire.Promote{Model: s.Name, Version: version, Stage: wire.Production, Reason: why})
	}
	if err == nil && out.Code != wire.OK {
		err = &wire.Error{Code: out.Code, Message: out.Error}
	}
	return err //nolint:wrapcheck // the coordinator names model and version
}

// improvementOnly reports whether an evaluation fails of all gates that of
// improvement alone.
func improvementOnly(ctx context.Context, env Env, g wire.GatesSpec, report string) (bool, error) {
	text, err := lake.Read(ctx, env.Blobs, report)
	if err != nil {
		return false, fmt.Errorf("evaluation: %w", err)
	}
	var found struct {
		Evaluation wire.Evaluation `json:"evaluation"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return false, fmt.Errorf("evaluation %s: %w", report, err)
	}
	names, _ := wire.FailedGates(wire.CheckGates(g, found.Evaluation))
	return names == "improvement", nil
}
