package source

import (
	"context"
	"fmt"

	"cohort/coordinator/wire"
)

// Open opens the source that s names.
func Open(ctx context.Context, s wire.SourceSpec) (Source, error) {
	switch s.Kind {
	case "kafka":
		return OpenKafka(s.Kafka)
	case "postgres":
		return OpenPostgres(ctx, s.Postgres)
	case "lake":
		return OpenLake(ctx, s.Lake)
	}
	return nil, &InputError{File: "job file", Text: fmt.Sprintf("source.kind %q is unknown to this worker", s.Kind)}
}
