package serve

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt/checkpoint"
	"cohort/dkt/infer"
	"cohort/kernels/cpu"
)

// manifestV1 is the format of manifests that is known.
const manifestV1 = 1

// model is what a replica serves.
type model struct {
	*infer.Model
	name    string
	version int
	skills  []string       // vocabulary
	ids     map[string]int // of skills
	quoted  [][]byte       // skills as JSON
}

// load reads what a stage names and believes nothing: the manifest must be the
// signed one, and the weights those of the manifest.
func load(ctx context.Context, c Config) (*model, error) {
	var s wire.ServeSettings
	if err := json.Unmarshal(c.Stage.Settings, &s); err != nil {
		return nil, &source.InputError{File: "settings of stage " + c.Stage.Name, Text: err.Error()}
	}
	refuse := func(format string, args ...any) error {
		return &source.InputError{File: fmt.Sprintf("model %s, version %d", s.Model, s.Version), Text: fmt.Sprintf(format, args...)}
	}
	manifest := c.Stage.Inputs["manifest"]
	if len(s.Public) != ed25519.PublicKeySize || !ed25519.Verify(s.Public, wire.SignedText(manifest), s.Signature) {
		return nil, refuse("its signature is not by the coordinator's key: it is not served")
	}
	m, err := readManifest(ctx, c.Blobs, manifest)
	if err != nil {
		return nil, err
	}
	switch {
	case m.FormatVersion != manifestV1:
		return nil, refuse("its manifest is of format %d, this worker knows %d", m.FormatVersion, manifestV1)
	case m.Model != s.Model:
		return nil, refuse("its manifest is of model %s", m.Model)
	case m.Engine != "" && m.Engine != "kernels":
		return nil, refuse("it is of engine %s: replicas serve models of engine kernels", m.Engine)
	case m.Weights != c.Stage.Inputs["weights"]:
		return nil, refuse("its weights are not those of its manifest")
	}
	return readModel(ctx, c, s, m, refuse)
}

// readManifest reads a manifest whose bytes have the hash.
func readManifest(ctx context.Context, b lake.Blobs, hash string) (m wire.ModelManifest, err error) {
	text, err := lake.Read(ctx, b, hash)
	if err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, &source.InputError{File: "manifest " + hash, Text: err.Error()}
	}
	return m, nil
}

// readModel reads weights and holds them against their manifest.
func readModel(ctx context.Context, c Config, s wire.ServeSettings, m wire.ModelManifest, refuse func(string, ...any) error) (*model, error) {
	p, of, err := checkpoint.LoadWeights(ctx, c.Blobs, m.Weights)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the weights
	}
	switch {
	case of.Hash != m.WeightsHash:
		return nil, refuse("its weights hash to %s, not %s as its manifest says", of.Hash, m.WeightsHash)
	case !slices.Equal(of.Skills, m.Skills) || p.Shape.Skills != len(m.Skills):
		return nil, refuse("its weights know other skills than its manifest")
	}
	path := cpu.Path(c.Kernels)
	if path == "auto" {
		path = cpu.Best()
	}
	made, err := infer.New(p, m.Window, path)
	if err != nil {
		return nil, refuse("%v", err)
	}
	out := &model{Model: made, name: s.Model, version: s.Version, skills: m.Skills, ids: map[string]int{}}
	for id, name := range m.Skills {
		out.ids[name] = id
		out.quoted = append(out.quoted, quote(name))
	}
	return out, nil
}
