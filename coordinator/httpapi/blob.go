package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

func blobHash(r *http.Request) (string, error) {
	hash := r.PathValue("hash")
	if !lake.ValidHash(hash) {
		return "", &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("%q is no SHA-256 in lower-case hex", hash)}
	}
	return hash, nil
}

func (a *api) getBlob(w http.ResponseWriter, r *http.Request) error {
	hash, err := blobHash(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		has, err := a.Blobs.Has(r.Context(), hash)
		if err == nil && !has {
			err = notFound("blob", hash)
		}
		return err
	}
	b, err := a.Blobs.Get(r.Context(), hash)
	if err != nil {
		return err
	}
	defer b.Close() //nolint:errcheck // read only
	w.Header().Set("Content-Type", "application/octet-stream")
	_, err = io.Copy(w, b)
	if errors.Is(err, lake.ErrCorrupt) {
		// All that there is was sent, and cutting it off would look like a lost
		// connection, which is tried again for ever: whoever asked for a hash checks it.
		a.Logger.Error("a blob is not what it was", "hash", hash, "error", err)
		return nil
	}
	if err != nil {
		a.Logger.Warn("a blob broke off", "hash", hash, "error", err)
		panic(http.ErrAbortHandler) // so that the client sees that it is not whole
	}
	return nil
}

func (a *api) putBlob(w http.ResponseWriter, r *http.Request) error {
	hash, err := blobHash(r)
	if err != nil {
		return err
	}
	got, size, err := a.Blobs.Put(r.Context(), r.Body)
	if err != nil {
		return err
	}
	if got != hash {
		return &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("the bytes sent hash to %s, not %s", got, hash)}
	}
	return answer(w, 0, map[string]any{"hash": got, "size": size})
}
