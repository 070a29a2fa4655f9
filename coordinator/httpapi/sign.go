package httpapi

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// sign puts this coordinator's signature under a model that a task brings. A
// cluster that does not keep models yet is asked again later.
func (a *api) sign(ctx context.Context, q *wire.TaskResult) error {
	if q.Version == nil && q.Evaluation == nil {
		return nil
	}
	if need := wire.CmdPutKey.Level(); a.State.Read().Level() < need {
		return &wire.Error{Code: wire.CodeNoLeader, Message: "the cluster keeps no models before all its coordinators are upgraded"}
	}
	if q.Version == nil {
		return nil
	}
	if err := a.checkManifest(ctx, q.Version); err != nil {
		return err
	}
	public := []byte(a.Sign.Public().(ed25519.PublicKey))
	key := wire.SigningKey{ID: wire.KeyID(public), Public: public, Owner: a.ID}
	if err := a.introduce(ctx, key); err != nil {
		return err
	}
	q.Version.Key, q.Version.Signature = key.ID, ed25519.Sign(a.Sign, wire.SignedText(q.Version.Manifest))
	return nil
}

// introduce makes the key known that is about to sign. The command is not the
// request's, and so does not carry its id.
func (a *api) introduce(ctx context.Context, key wire.SigningKey) error {
	if _, known := a.State.Read().Key(nil, key.ID); known {
		return nil
	}
	env, err := state.Envelope(wire.CmdPutKey, wire.PutKey{Key: key}, "leader", "")
	if err != nil {
		return err
	}
	env.Time = time.Now().UnixMilli()
	_, err = a.Consensus.Propose(ctx, env) // refused when another request was quicker
	return err
}

// largestManifest bounds a model's manifest, bytes.
const largestManifest = 16 << 20

// manifest reads a version's. One that is none is CodeInvalid.
func (a *api) manifest(ctx context.Context, v *wire.ModelVersion) (m wire.ModelManifest, err error) {
	b, err := a.Blobs.Get(ctx, v.Manifest) // checks the hash
	if err != nil {
		return m, fmt.Errorf("manifest of model %s: %w", v.Model, err)
	}
	defer b.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(b, largestManifest))
	if err != nil {
		return m, fmt.Errorf("manifest of model %s: %w", v.Model, err)
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
		return err
	}
	if fault := v.Differs(m); fault != "" {
		return invalid("manifest of model %s: %s", v.Model, fault)
	}
	return nil
}
