package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"cohort/coordinator/wire"
)

// blocking adds the parameters of a blocking query.
func blocking(path string, index uint64, wait time.Duration) string {
	if index == 0 && wait == 0 {
		return path
	}
	return fmt.Sprintf("%s?index=%d&wait=%s", path, index, wait)
}

func esc(s string) string { return url.PathEscape(s) }

// Status says how the coordinator that answers sees the cluster.
func (c *Client) Status(ctx context.Context) (r wire.StatusReply, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/status", nil, &r)
	return r, err
}

// Submit stores a job.
func (c *Client) Submit(ctx context.Context, spec string) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/jobs", wire.SubmitRequest{Spec: spec}, &r)
	return r, err
}

// Plan says what Submit would do.
func (c *Client) Plan(ctx context.Context, spec string) (r wire.PlanReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/jobs/plan", wire.SubmitRequest{Spec: spec}, &r)
	return r, err
}

// Jobs lists jobs, newest first.
func (c *Client) Jobs(ctx context.Context) (r []wire.JobView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/jobs", nil, &r)
	return r, err
}

// History lists the jobs of a name with their stages, newest first; limit 0 is
// all.
func (c *Client) History(ctx context.Context, name string, limit int) (r []wire.JobView, err error) {
	_, err = c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/jobs?name=%s&limit=%d", url.QueryEscape(name), limit), nil, &r)
	return r, err
}

// Job reads a job, waiting up to wait for an index above the one given.
func (c *Client) Job(ctx context.Context, id string, index uint64, wait time.Duration) (r wire.JobView, next uint64, err error) {
	next, err = c.do(ctx, http.MethodGet, blocking("/v1/jobs/"+esc(id), index, wait), nil, &r)
	return r, next, err
}

// JobStages reads a job with so many of its stages, or "all".
func (c *Client) JobStages(ctx context.Context, id, stages string) (r wire.JobView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/jobs/"+esc(id)+"?stages="+url.QueryEscape(stages), nil, &r)
	return r, err
}

// Stop ends a job.
func (c *Client) Stop(ctx context.Context, id string, s wire.StopRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/jobs/"+esc(id)+"/stop", s, &r)
	return r, err
}

// Retry takes an ended job up again.
func (c *Client) Retry(ctx context.Context, id string, q wire.RetryRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/jobs/"+esc(id)+"/retry", q, &r)
	return r, err
}

// Logs reads a page of a job's log.
func (c *Client) Logs(ctx context.Context, id string, from uint64, wait time.Duration) (r wire.LogsReply, err error) {
	_, err = c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/jobs/%s/logs?from=%d&wait=%s", esc(id), from, wait), nil, &r)
	return r, err
}

// Nodes lists the workers.
func (c *Client) Nodes(ctx context.Context) (r []wire.NodeView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/nodes", nil, &r)
	return r, err
}

// Node reads a worker.
func (c *Client) Node(ctx context.Context, id string) (r wire.NodeView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/nodes/"+esc(id), nil, &r)
	return r, err
}

// Drain asks a node to finish or hand back what it runs, and to take no more.
func (c *Client) Drain(ctx context.Context, id string) error {
	_, err := c.do(ctx, http.MethodPost, "/v1/nodes/"+esc(id)+"/drain", nil, nil)
	return err
}

// Undrain lets a node take tasks again.
func (c *Client) Undrain(ctx context.Context, id string) error {
	_, err := c.do(ctx, http.MethodPost, "/v1/nodes/"+esc(id)+"/undrain", nil, nil)
	return err
}

// Datasets lists the datasets.
func (c *Client) Datasets(ctx context.Context) (r []wire.Dataset, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/datasets", nil, &r)
	return r, err
}

// Dataset reads a dataset.
func (c *Client) Dataset(ctx context.Context, id string) (r wire.Dataset, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/datasets/"+esc(id), nil, &r)
	return r, err
}

// The calls below are a worker's.

// Register makes a worker known under its session.
func (c *Client) Register(ctx context.Context, node wire.Node) (r wire.RegisterReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/nodes/"+esc(node.ID)+"/register", node, &r)
	return r, err
}

// Tasks reads a worker's assignments, waiting up to wait for an index above
// the one given.
func (c *Client) Tasks(ctx context.Context, node, session string, index uint64, wait time.Duration) (r wire.TasksReply, err error) {
	path := fmt.Sprintf("/v1/nodes/%s/tasks?session=%s&index=%d&wait=%s", esc(node), url.QueryEscape(session), index, wait)
	_, err = c.do(ctx, http.MethodGet, path, nil, &r)
	return r, err
}

// Renew keeps a worker and its leases alive.
func (c *Client) Renew(ctx context.Context, node string, q wire.RenewRequest) (r wire.RenewReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/nodes/"+esc(node)+"/renew", q, &r)
	return r, err
}

// Result reports the end of an attempt.
func (c *Client) Result(ctx context.Context, q wire.TaskResult) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/tasks/result", q, &r)
	return r, err
}

// Checkpoint moves a gang's checkpoint pointer.
func (c *Client) Checkpoint(ctx context.Context, q wire.PutCheckpoint) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/tasks/checkpoint", q, &r)
	return r, err
}

// PutPlan commits what a task is to read.
func (c *Client) PutPlan(ctx context.Context, q wire.PutPlan) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/tasks/plan", q, &r)
	return r, err
}

// Progress reports how a task stands.
func (c *Client) Progress(ctx context.Context, q wire.Progress) error {
	_, err := c.do(ctx, http.MethodPost, "/v1/tasks/progress", q, nil)
	return err
}
