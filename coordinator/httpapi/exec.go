package httpapi

import (
	"context"
	"fmt"
	"strings"

	"cohort/coordinator/wire"
)

// checkInputs refuses a job whose commands read files that were not uploaded.
func (a *api) checkInputs(ctx context.Context, spec wire.Spec) error {
	names := spec.StageNames()
	for k, g := range spec.Stages {
		for j, in := range g.Exec.Inputs {
			if _, _, ok := names.Output(in.From); ok {
				continue
			}
			if err := a.checkFile(ctx, fmt.Sprintf("stages[%d].exec.inputs[%d].from", k, j), in.From); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkFile wants sha256:HASH of a blob that is there.
func (a *api) checkFile(ctx context.Context, key, name string) error {
	hash, ok := strings.CutPrefix(name, "sha256:")
	if !ok {
		return &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("%s: %q was not uploaded: submit with cohort job run", key, name)}
	}
	has, err := a.Blobs.Has(ctx, hash)
	if err != nil {
		return err
	}
	if !has {
		return &wire.Error{Code: wire.CodeNotFound, Message: fmt.Sprintf("%s: no blob %s: upload the file first", key, hash)}
	}
	return nil
}
