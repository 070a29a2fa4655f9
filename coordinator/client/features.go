package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"cohort/coordinator/wire"
)

// Features lists the newest feature set of each pipeline, or all sets.
func (c *Client) Features(ctx context.Context, all bool) (r []wire.FeatureSet, err error) {
	path := "/v1/features"
	if all {
		path += "?all=1"
	}
	_, err = c.do(ctx, http.MethodGet, path, nil, &r)
	return r, err
}

// Feature reads a feature set by its ID, or a pipeline's newest by its name.
func (c *Client) Feature(ctx context.Context, id string) (r wire.FeatureSetView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/features/"+esc(id), nil, &r)
	return r, err
}

// FeatureQuery asks for a student's features.
type FeatureQuery struct {
	Set     string // ID, or a pipeline's name
	Student string // masked
	Cut     int64  // microseconds; 0: the set's own
	Events  int    // how many of the last events to add
}

// FeaturesOf reads a student's rows.
func (c *Client) FeaturesOf(ctx context.Context, q FeatureQuery) (r wire.StudentFeatures, err error) {
	path := fmt.Sprintf("/v1/features/%s/students/%s?events=%d", esc(q.Set), esc(q.Student), q.Events)
	if q.Cut != 0 {
		path += fmt.Sprintf("&cut=%d", q.Cut)
	}
	_, err = c.do(ctx, http.MethodGet, path, nil, &r)
	return r, err
}

// FeatureDiff compares two feature sets.
func (c *Client) FeatureDiff(ctx context.Context, a, b string) (r wire.FeatureDiff, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/features/diff?a="+url.QueryEscape(a)+"&b="+url.QueryEscape(b), nil, &r)
	return r, err
}
