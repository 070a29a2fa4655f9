package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dkt/checkpoint"
)

// A modelCheck is one thing that must be so of a version.
type modelCheck struct {
	Name string `json:"name"` // signature | manifest | weights | weights_sha256
	Pass bool   `json:"pass"`
	Text string `json:"text"`
}

// modelVerified is what model verify tells as JSON.
type modelVerified struct {
	Model   string       `json:"model"`
	Version int          `json:"version"`
	Checks  []modelCheck `json:"checks"`
	weights []byte       // the file, where there is one
}

func (p *program) modelVerifyCommand() *cli.Command {
	c := p.command("verify", "MODEL", "hold a version's files to its hashes and its signature", clientFlags(), func(c *cli.Context) error {
		api, v, err := p.version(c, current()...)
		if err != nil {
			return err
		}
		r, err := verify(c.Context, api, &v.ModelVersion)
		if err != nil {
			return err
		}
		return p.printVerified(r)
	})
	c.Description = refHelp + " Exit code 1: something is not as it was registered."
	return c
}

func (p *program) printVerified(r modelVerified) error {
	if p.format == "json" {
		if err := p.printJSON(r); err != nil {
			return err
		}
	} else if !p.quiet {
		rows := make([][]string, len(r.Checks))
		for k, c := range r.Checks {
			rows[k] = []string{c.Name, passes(c.Pass), oneLine(c.Text)}
		}
		if err := p.printTable("CHECK | PASSES | WHY", rows); err != nil {
			return err
		}
	}
	return r.fault()
}

// fault is the first check that fails, nil when all pass.
func (r modelVerified) fault() error {
	for _, c := range r.Checks {
		if !c.Pass {
			return fmt.Errorf("%s@%d is not what was registered: %s", r.Model, r.Version, c.Text)
		}
	}
	return nil
}

// verify checks the signature, then reads manifest and weights and hashes them.
func verify(ctx context.Context, api *client.Client, v *wire.ModelVersion) (r modelVerified, err error) {
	r = modelVerified{Model: v.Model, Version: v.Version}
	add := func(name string, fault error, well string) {
		c := modelCheck{Name: name, Pass: fault == nil, Text: well}
		if fault != nil {
			c.Text = fault.Error()
		}
		r.Checks = append(r.Checks, c)
	}
	fault, err := checkSignature(ctx, api, v)
	if err != nil {
		return r, err
	}
	add("signature", fault, "the manifest is signed by key "+v.Key)
	fault, err = checkManifest(ctx, api, v)
	if err != nil {
		return r, err
	}
	add("manifest", fault, "has its hash and says what the version does")
	r.weights, err = readBlob(ctx, api, "weights", v.Weights)
	if unreachable(err) {
		return r, err
	}
	add("weights", err, fmt.Sprintf("%s with their hash", sized(int64(len(r.weights)))))
	if err == nil {
		add("weights_sha256", checkNumbers(r.weights, v), "the numbers have theirs")
	}
	return r, nil
}

// unreachable reports whether nothing can be said of a file: it is the cluster
// that does not answer. A file that is not there is an answer.
func unreachable(err error) bool {
	reply, ok := errors.AsType[*wire.Error](err)
	return ok && reply.Code != wire.CodeNotFound || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func checkSignature(ctx context.Context, api *client.Client, v *wire.ModelVersion) (fault, err error) {
	keys, err := api.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.ID != v.Key {
			continue
		}
		if k.ID == wire.KeyID(k.Public) && v.SignedBy(k.Public) {
			return nil, nil
		}
		return fmt.Errorf("the signature is not key %s's of manifest %s", v.Key, v.Manifest), nil
	}
	return fmt.Errorf("signing key %q is unknown to the cluster", v.Key), nil
}

func checkManifest(ctx context.Context, api *client.Client, v *wire.ModelVersion) (fault, err error) {
	text, fault := readBlob(ctx, api, "manifest", v.Manifest)
	if unreachable(fault) {
		return nil, fault
	}
	if fault != nil {
		return fault, nil
	}
	var m wire.ModelManifest
	if fault := json.Unmarshal(text, &m); fault != nil {
		return fmt.Errorf("manifest %s: %w", v.Manifest, fault), nil
	}
	if differs := v.Differs(m); differs != "" {
		return fmt.Errorf("manifest %s: %s", v.Manifest, differs), nil
	}
	return nil, nil
}

// checkNumbers hashes the weights themselves, as the training did.
func checkNumbers(weights []byte, v *wire.ModelVersion) error {
	_, m, err := checkpoint.ReadWeights(bytes.NewReader(weights))
	if err != nil {
		return fmt.Errorf("weights %s: %w", v.Weights, err)
	}
	if m.Hash != v.WeightsHash {
		return fmt.Errorf("weights %s: the numbers hash to %s, not %s", v.Weights, m.Hash, v.WeightsHash)
	}
	return nil
}
