package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"cohort/coordinator/wire"
)

func modelURL(name, verb string) string { return "/v1/models/" + esc(name) + verb }

// Models lists the models by name.
func (c *Client) Models(ctx context.Context) (r []wire.Model, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/models", nil, &r)
	return r, err
}

// Model reads a model with its versions, waiting up to wait for an index above
// the one given.
func (c *Client) Model(ctx context.Context, name string, index uint64, wait time.Duration) (r wire.ModelView, next uint64, err error) {
	next, err = c.do(ctx, http.MethodGet, blocking(modelURL(name, ""), index, wait), nil, &r)
	return r, next, err
}

// Version reads a version by its number, an alias, "production", "staging" or
// "latest".
func (c *Client) Version(ctx context.Context, model, version string) (r wire.VersionView, err error) {
	_, err = c.do(ctx, http.MethodGet, modelURL(model, "/versions/"+esc(version)), nil, &r)
	return r, err
}

// ModelHistory reads a model's changes up to a time; zero is now.
func (c *Client) ModelHistory(ctx context.Context, model string, at time.Time) (r wire.HistoryReply, err error) {
	path := modelURL(model, "/history")
	if !at.IsZero() {
		path += "?at=" + url.QueryEscape(at.Format(time.RFC3339))
	}
	_, err = c.do(ctx, http.MethodGet, path, nil, &r)
	return r, err
}

// Evaluation reads what a job's stage found.
func (c *Client) Evaluation(ctx context.Context, job, stage string) (r wire.Evaluation, err error) {
	_, err = c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/evaluations/%s/%s", esc(job), esc(stage)), nil, &r)
	return r, err
}

// Keys lists the keys that sign models.
func (c *Client) Keys(ctx context.Context) (r []wire.SigningKey, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/keys", nil, &r)
	return r, err
}

// Promote moves a version to a stage, or rolls production back.
func (c *Client) Promote(ctx context.Context, q wire.Promote) (r wire.Outcome, err error) {
	verb := "/promote"
	if q.Rollback {
		verb = "/rollback"
	}
	_, err = c.do(ctx, http.MethodPost, modelURL(q.Model, verb), q, &r)
	return r, err
}

// SetAlias gives a version a name, or takes the name away.
func (c *Client) SetAlias(ctx context.Context, q wire.SetModel) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, modelURL(q.Model, "/alias"), q, &r)
	return r, err
}

// SetNotes writes a version's notes.
func (c *Client) SetNotes(ctx context.Context, q wire.SetModel) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, modelURL(q.Model, "/notes"), q, &r)
	return r, err
}

// DeleteVersion forgets a version.
func (c *Client) DeleteVersion(ctx context.Context, q wire.DeleteVersion) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, modelURL(q.Model, "/delete"), q, &r)
	return r, err
}

// Reproduce submits the job that makes a version again, and answers its id.
func (c *Client) Reproduce(ctx context.Context, model string, version int) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, modelURL(model, "/reproduce"), wire.ReproduceRequest{Version: version}, &r)
	return r, err
}
