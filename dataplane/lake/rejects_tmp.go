package lake

import "context"

// WriteRejects is a stand-in until the real one is merged.
func WriteRejects(ctx context.Context, b Blobs, all []Reject) (string, error) {
	return writeJSON(ctx, b, all)
}

// ReadRejects visits.
func ReadRejects(ctx context.Context, b Blobs, hash string, visit func(Reject) error) error {
	all, err := readJSON(ctx, b, "rejects", hash, func(*[]Reject) int { return manifestVersion })
	if err != nil {
		return err
	}
	for _, r := range *all {
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}
