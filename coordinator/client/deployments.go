package client

import (
	"context"
	"net/http"

	"cohort/coordinator/wire"
)

// StartDeployment starts replicas of a model's version.
func (c *Client) StartDeployment(ctx context.Context, model string, q wire.DeployRequest) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/deployments/"+esc(model)+"/start", q, &r)
	return r, err
}
