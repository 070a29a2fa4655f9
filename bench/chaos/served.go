package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"cohort/coordinator/wire"
)

// Deployment reads a model's deployment.
func (c *Cluster) Deployment(ctx context.Context, model string) (d wire.DeploymentView, err error) {
	out, err := c.Command(ctx, "deploy", "status", model, "-o", "json")
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		return d, fmt.Errorf("deployment of %s: %w", model, err)
	}
	return d, nil
}

// AwaitDeployment polls a model's deployment until done says so, or ctx ends.
func (c *Cluster) AwaitDeployment(ctx context.Context, model string, done func(wire.DeploymentView) bool) (d wire.DeploymentView, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if d, err = c.Deployment(ctx, model); err == nil && done(d) {
			return d, nil
		}
		select {
		case <-ctx.Done():
			return d, fmt.Errorf("deployment of %s stayed %s (%s): %w", model, d.Status, d.Reason, ctx.Err())
		case <-tick.C:
		}
	}
}

// Workers are those that run a version's replicas.
func (c *Cluster) Workers(ctx context.Context, d wire.DeploymentView, version int) (found []string, err error) {
	out, err := c.Command(ctx, "job", "status", d.Jobs[version], "-o", "json")
	if err != nil {
		return nil, err
	}
	var j wire.JobView
	if err := json.Unmarshal([]byte(out), &j); err != nil {
		return nil, fmt.Errorf("job of version %d: %w", version, err)
	}
	for _, s := range j.Stages {
		for _, k := range s.TaskList {
			if k.Status == wire.Running {
				found = append(found, k.Node)
			}
		}
	}
	return found, nil
}

// Client asks a coordinator as a user's program does.
type Client struct {
	Base string // of the API
	HTTP *http.Client
}

// NewClient makes a client that keeps its connections.
func (c *Cluster) NewClient() *Client {
	return &Client{"http://" + c.HTTP, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1024}}}
}

// Post sends JSON and decodes the answer into out, where that is not nil. Any
// status but 200 is an error.
func (c *Client) Post(ctx context.Context, path, body string, out any) (version string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+path, strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	reply, err := c.HTTP.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", path, err)
	}
	defer reply.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return "", fmt.Errorf("read answer to %s: %w", path, err)
	}
	if reply.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %s", reply.StatusCode, strings.TrimSpace(string(text)))
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			return "", fmt.Errorf("decode answer to %s: %w", path, err)
		}
	}
	return reply.Header.Get("Cohort-Version"), nil
}
