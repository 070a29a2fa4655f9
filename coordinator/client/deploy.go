package client

import (
	"context"
	"net/http"
	"time"

	"cohort/coordinator/wire"
)

func deploymentURL(model, verb string) string { return "/v1/deployments/" + esc(model) + verb }

// Deployments lists the deployments by model.
func (c *Client) Deployments(ctx context.Context) (r []wire.DeploymentView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/deployments", nil, &r)
	return r, err
}

// Deployment reads a model's deployment, waiting up to wait for an index above the
// one given.
func (c *Client) Deployment(ctx context.Context, model string, index uint64, wait time.Duration) (r wire.DeploymentView, next uint64, err error) {
	next, err = c.do(ctx, http.MethodGet, blocking(deploymentURL(model, ""), index, wait), nil, &r)
	return r, next, err
}

// StartDeployment starts replicas of a version.
func (c *Client) StartDeployment(ctx context.Context, model string, q wire.DeployRequest) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, deploymentURL(model, "/start"), q, &r)
	return r, err
}

// PromoteDeployment gives all traffic to the version that is on its way.
func (c *Client) PromoteDeployment(ctx context.Context, model string, q wire.TrafficRequest) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, deploymentURL(model, "/promote"), q, &r)
	return r, err
}

// RollBackDeployment gives all traffic back to the version before.
func (c *Client) RollBackDeployment(ctx context.Context, model string, q wire.TrafficRequest) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, deploymentURL(model, "/rollback"), q, &r)
	return r, err
}

// MoveTraffic deals traffic out by hand.
func (c *Client) MoveTraffic(ctx context.Context, model string, q wire.TrafficRequest) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, deploymentURL(model, "/traffic"), q, &r)
	return r, err
}

// StopDeployment ends replicas.
func (c *Client) StopDeployment(ctx context.Context, model string, q wire.UndeployRequest) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, deploymentURL(model, "/stop"), q, &r)
	return r, err
}

// Ready says that a service's task, a worker's, serves at an address.
func (c *Client) Ready(ctx context.Context, q wire.TaskReady) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/tasks/ready", q, &r)
	return r, err
}
