package client

import (
	"context"
	"net/http"

	"cohort/coordinator/wire"
)

// Ready says that a service's task, a worker's, serves at an address.
func (c *Client) Ready(ctx context.Context, q wire.TaskReady) (r wire.Outcome, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/tasks/ready", q, &r)
	return r, err
}
