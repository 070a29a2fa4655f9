package httpapi

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// sign puts this coordinator's signature under a model that a task brings. A
// cluster that does not keep models yet, or does not know the key, is asked again
// later.
func (a *api) sign(ctx context.Context, q *wire.TaskResult) error {
	if q.Version == nil && q.Evaluation == nil {
		return nil
	}
	view := a.State.Read()
	if view.Level() < wire.CmdPutKey.Level() {
		return &wire.Error{Code: wire.CodeNoLeader, Message: "the cluster keeps no models before all its coordinators are upgraded"}
	}
	if q.Version == nil {
		return nil
	}
	if err := a.checkManifest(ctx, q.Version); err != nil {
		return err
	}
	if _, known := view.Key(nil, a.Key.ID); !known {
		return &wire.Error{Code: wire.CodeNoLeader, Message: "the cluster does not know this coordinator's key yet"}
	}
	q.Version.Key, q.Version.Signature = a.Key.ID, ed25519.Sign(a.Sign, wire.SignedText(q.Version.Manifest))
	return nil
}

// manifest reads a version's. One that is none is CodeInvalid.
func (a *api) manifest(ctx context.Context, v *wire.ModelVersion) (m wire.ModelManifest, err error) {
	text, err := lake.Read(ctx, a.Blobs, v.Manifest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, invalid("manifest of model %s: %v", v.Model, err)
	}
	return m, nil
}

// checkManifest signs nothing that says otherwise than the record it is for.
func (a *api) checkManifest(ctx context.Context, v *wire.ModelVersion) error {
	m, err := a.manifest(ctx, v)
	if err != nil {
		return fmt.Errorf("manifest of model %s: %w", v.Model, err)
	}
	if fault := v.Differs(m); fault != "" {
		return invalid("manifest of model %s: %s", v.Model, fault)
	}
	return nil
}
