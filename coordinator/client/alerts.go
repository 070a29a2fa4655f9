package client

import (
	"context"
	"fmt"
	"net/http"

	"cohort/coordinator/wire"
)

// Alerts lists the open incidents, oldest first, then the last of those that ended.
func (c *Client) Alerts(ctx context.Context, ended int) (r []wire.AlertView, err error) {
	_, err = c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/alerts?ended=%d", ended), nil, &r)
	return r, err
}

// Alert reads an incident.
func (c *Client) Alert(ctx context.Context, id string) (r wire.AlertView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/alerts/"+esc(id), nil, &r)
	return r, err
}

// AckAlert says that who asks takes care of an incident.
func (c *Client) AckAlert(ctx context.Context, id string, q wire.AckRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/alerts/"+esc(id)+"/ack", q, &r)
	return r, err
}

// Silences lists the silences, those that are over too.
func (c *Client) Silences(ctx context.Context) (r []wire.Silence, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/silences", nil, &r)
	return r, err
}

// Silence holds back notices.
func (c *Client) Silence(ctx context.Context, q wire.SilenceRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/silences", q, &r)
	return r, err
}

// EndSilence ends a silence before its time.
func (c *Client) EndSilence(ctx context.Context, id string) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/silences/"+esc(id)+"/end", nil, &r)
	return r, err
}
