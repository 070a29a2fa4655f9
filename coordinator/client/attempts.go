package client

import (
	"context"
	"net/http"
	"strconv"

	"cohort/coordinator/wire"
)

// SealAttempts seals the attempt log and lists the segments that hold attempts
// after a position, in order.
func (c *Client) SealAttempts(ctx context.Context, after uint64) ([]wire.AttemptSegment, error) {
	var r wire.SealReply
	_, err := c.do(ctx, http.MethodPost, "/v1/attempts/seal?after="+strconv.FormatUint(after, 10), nil, &r)
	return r.Segments, err
}

// AttemptLog reads where the attempt log stands.
func (c *Client) AttemptLog(ctx context.Context) (r wire.AttemptLog, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/attempts", nil, &r)
	return r, err
}

// SendAttempts sends a student's attempts to be kept, and answers what model, or
// the only one that is deployed where it is empty, says after the last. An attempt
// counts once, however often it is sent under its ID.
func (c *Client) SendAttempts(ctx context.Context, model, student string, attempts []wire.Attempt) (r wire.AttemptsReply, err error) {
	path := "/v1/students/" + esc(student) + "/attempts"
	if model != "" {
		path += "?model=" + esc(model)
	}
	_, err = c.do(ctx, http.MethodPost, path, wire.AppendAttempts{Attempts: attempts}, &r)
	return r, err
}

// Gateway reads how the gateway of the coordinator that answers fares.
func (c *Client) Gateway(ctx context.Context) (r wire.GatewayStatus, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/gateway/status", nil, &r)
	return r, err
}
