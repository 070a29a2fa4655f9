package coordinator

import (
	"context"
	"time"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
)

// rollOut proposes what deployments need, and returns the time until they need
// more, or 0.
func (n *Node) rollOut(ctx context.Context) time.Duration {
	now := time.Now().UnixMilli()
	decisions, next, health := schedule.Rollout(n.state.Read(), now, n.live.Live, n.health)
	n.health = health
	for _, d := range decisions {
		switch c := d.Body.(type) {
		case wire.MoveTraffic:
			n.log.Info("traffic moves", "model", c.Model, "rollback", c.Rollback, "reason", c.Reason)
		case wire.StopDeployment:
			n.log.Info("replicas end", "model", c.Model, "version", c.Version, "reason", c.Reason)
		}
		n.propose(ctx, d.Number, d.Body)
	}
	if next == 0 {
		return 0
	}
	return time.Duration(next-now) * time.Millisecond
}
