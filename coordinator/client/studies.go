package client

import (
	"context"
	"fmt"
	"net/http"

	"cohort/coordinator/wire"
)

// Studies lists up to limit studies, newest first; 0 is all.
func (c *Client) Studies(ctx context.Context, limit int) (r []wire.StudyView, err error) {
	_, err = c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/studies?limit=%d", limit), nil, &r)
	return r, err
}

// Study reads the study of a job with its trials.
func (c *Client) Study(ctx context.Context, job string) (r wire.StudyView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/studies/"+esc(job), nil, &r)
	return r, err
}
