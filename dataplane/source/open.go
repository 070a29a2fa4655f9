package source

import (
	"context"
	"fmt"

	"cohort/coordinator/wire"
)

// Open opens the source that s names.
func Open(ctx context.Context, s wire.SourceSpec) (Source, error) {
	switch s.Kind {
	}
	_ = ctx
	return nil, &InputError{File: "job file", Text: fmt.Sprintf("source.kind %q is unknown to this worker", s.Kind)}
}
