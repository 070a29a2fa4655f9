package schedule

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// How long a rollout waits, milliseconds.
const (
	startWithin  = 10 * 60_000 // for all replicas of a version on its way to be ready
	keepPrevious = 60 * 60_000 // with the replicas that a rollback goes to, once the next version has all traffic
	keepOthers   = 60_000      // with replicas that have lost their traffic: requests under way end
)

// Live answers what the gateways saw of a model's versions.
type Live func(model string) map[int]wire.LiveStats

// Rollout says what is to be done with the deployments now, the leader's clock in
// Unix milliseconds: the traffic's next step, a rollback, an end of replicas. One
// decision at most is for each deployment, under its index: what a person does
// meanwhile wins. was is what an earlier call answered; is goes into the next. A
// decision that the state would refuse is not made. next is the earliest time at
// which there is more to do, or 0.
func Rollout(v *state.View, now int64, live Live, was Health) (decisions []Decision, next int64, is Health) {
	is, next = Health{}, math.MaxInt64
	for _, d := range v.Deployments(nil) {
		r := &rollout{v: v, now: now, d: d, next: math.MaxInt64}
		if d.Status == wire.Ended {
			continue
		}
		r.watch(live, was, is)
		for _, step := range []func(){r.rollBack, r.advance, r.sweep} {
			if r.decision == nil {
				step()
			}
		}
		if r.decision != nil {
			decisions = append(decisions, *r.decision)
		}
		next = min(next, r.next)
	}
	if next == math.MaxInt64 {
		next = 0
	}
	return decisions, next, is
}

// rollout is one deployment under decision.
type rollout struct {
	v        *state.View
	now      int64
	next     int64
	d        *wire.Deployment
	broken   string // the bound that the candidate breaks now; empty: none
	overdue  bool   // and has for as long as it may
	decision *Decision
}

// at notes a time at which there is more to do, and reports whether it has come.
func (r *rollout) at(when int64) bool {
	if when > r.now {
		r.next = min(r.next, when)
	}
	return when <= r.now
}

// candidate is the version that bounds are held against: the one that comes, or
// has come and can still be taken back; 0: none.
func (r *rollout) candidate() int {
	switch {
	case r.d.Next != 0 && r.d.Share(r.d.Next) > 0:
		return r.d.Next
	case r.d.Next == 0 && r.d.Status == wire.Live && r.d.Previous != 0:
		return r.d.Routes[0].Version
	}
	return 0
}

// rollBack takes the candidate's traffic away once it has broken a bound for long.
func (r *rollout) rollBack() {
	if r.overdue {
		_ = r.move(wire.MoveTraffic{Rollback: true, Reason: fmt.Sprintf("version %d: %s", r.candidate(), r.broken)}) // tried again when it is refused
	}
}

// move decides on a move of traffic and answers why the state would refuse it.
func (r *rollout) move(c wire.MoveTraffic) *wire.Error {
	c.Model, c.Auto, c.CheckIndex = r.d.Model, true, r.d.ModifyIndex
	if refused := r.v.Refused(c); refused != nil {
		return refused
	}
	r.decision = &Decision{wire.CmdMoveTraffic, c}
	return nil
}

func (r *rollout) end(version int, reason string) {
	r.decision = &Decision{wire.CmdStopDeployment, wire.StopDeployment{
		Model: r.d.Model, Version: version, Reason: reason, CheckIndex: r.d.ModifyIndex,
	}}
}

// advance brings the version on its way a step further.
func (r *rollout) advance() {
	d := r.d
	if d.Next == 0 {
		return
	}
	part := r.d.Share(d.Next)
	if !r.whole() {
		if part == 0 {
			r.giveUp()
		}
		return
	}
	if !d.Auto || part > 0 && (r.broken != "" || !r.at(d.Moved+d.Spec.HoldMS())) {
		return
	}
	c := r.step(part)
	refused := r.move(c)
	if refused == nil || r.unserved(c.Routes) { // the latter passes
		return
	}
	reason := fmt.Sprintf("version %d does not take the traffic: %s", d.Next, refused.Message)
	if part == 0 {
		r.end(d.Next, reason)
		return
	}
	_ = r.move(wire.MoveTraffic{Rollback: true, Reason: reason}) // likewise
}

// step is the next part of the traffic for the version on its way.
func (r *rollout) step(part int) wire.MoveTraffic {
	base, next := r.d.Base(), r.d.Next
	if r.d.Spec.Strategy == "canary" && base != 0 {
		for _, percent := range r.d.Spec.Canary {
			if percent > part {
				return wire.MoveTraffic{
					Routes: []wire.Route{{Version: base, Percent: 100 - percent}, {Version: next, Percent: percent}},
					Reason: fmt.Sprintf("canary: %d %% for version %d", percent, next),
				}
			}
		}
	}
	return wire.MoveTraffic{Routes: []wire.Route{{Version: next, Percent: 100}}, Reason: fmt.Sprintf("%s: version %d has all of the traffic", r.d.Spec.Strategy, next)}
}

func (r *rollout) unserved(routes []wire.Route) bool {
	ready := r.v.Replicas(r.d.Model)
	return slices.ContainsFunc(routes, func(route wire.Route) bool { return len(ready[route.Version]) == 0 })
}

func (r *rollout) tasks() []*wire.Task {
	return r.v.Tasks(nil, r.d.Jobs[r.d.Next], state.ServeStage)
}

// whole reports whether all replicas of the version on its way are ready.
func (r *rollout) whole() bool {
	tasks := r.tasks()
	return len(tasks) > 0 && !slices.ContainsFunc(tasks, func(k *wire.Task) bool { return !k.Serves() })
}

// giveUp ends a version whose replicas do not come to be ready.
func (r *rollout) giveUp() {
	tasks, retries, fresh := r.tasks(), 0, false
	if s, ok := r.v.Stage(nil, r.d.Jobs[r.d.Next], state.ServeStage); ok {
		retries = s.Retries
	}
	if j, ok := r.v.Job(nil, r.d.Jobs[r.d.Next]); ok {
		fresh = j.Submitted == r.d.Started // what failed, failed on this way
	}
	ready, reason := 0, ""
	for _, k := range tasks {
		switch {
		case k.Serves():
			ready++
		case fresh && (k.Cause == wire.CauseFatal || k.Failures > retries):
			r.end(r.d.Next, fmt.Sprintf("replica %s failed %d times: %s", k.ID, k.Failures, k.Error))
			return
		case reason == "" && k.Reason != "":
			reason = ": " + k.Reason
		}
	}
	if r.at(r.d.Started + startWithin) {
		r.end(r.d.Next, fmt.Sprintf("%d of %d replicas ready after %d minutes%s", ready, len(tasks), startWithin/60_000, reason))
	}
}

// sweep ends replicas that nothing needs any more.
func (r *rollout) sweep() {
	for _, version := range slices.Sorted(maps.Keys(r.d.Jobs)) {
		if version == r.d.Next || r.d.Share(version) > 0 {
			continue
		}
		keep, reason := int64(keepOthers), "has no traffic any more"
		if version == r.d.Previous {
			keep, reason = keepPrevious, "the next version has answered for an hour"
		}
		if r.at(r.d.Moved + keep) {
			r.end(version, reason)
			return
		}
	}
}
