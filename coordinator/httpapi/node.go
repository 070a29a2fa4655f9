package httpapi

import (
	"net/http"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func (a *api) nodes(w http.ResponseWriter, r *http.Request) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		views := []wire.NodeView{}
		for _, n := range v.Nodes(on) {
			views = append(views, a.nodeView(v, on, n))
		}
		return views, nil
	})
}

func (a *api) node(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("node")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		n, ok := v.Node(on, id)
		if !ok {
			return nil, notFound("node", id)
		}
		return a.nodeView(v, on, n), nil
	})
}

func (a *api) nodeView(v *state.View, on *state.Watch, n *wire.Node) wire.NodeView {
	view := wire.NodeView{Node: *n, Alive: a.Alive(n.ID), Tasks: []string{}}
	for _, k := range v.TasksOf(on, n.ID) {
		view.Tasks = append(view.Tasks, k.ID)
		view.Used.Cores += k.Granted.Cores
		view.Used.MemoryMB += k.Granted.MemoryMB
	}
	return view
}

func (a *api) register(w http.ResponseWriter, r *http.Request) error {
	n, err := body[wire.Node](r)
	if err != nil {
		return err
	}
	n.ID = r.PathValue("node")
	out, err := a.propose(r, wire.CmdRegisterNode, wire.RegisterNode{Node: n})
	if err != nil {
		return err
	}
	a.Leases.Registered(n.ID)
	return answer(w, out.Index, wire.RegisterReply{
		Index: out.Index, Stream: a.StreamURL, LeaseMS: a.Leases.Length().Milliseconds(),
	})
}

func (a *api) renew(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.RenewRequest](r)
	if err != nil {
		return err
	}
	reply, err := a.Leases.Renew(r.Context(), r.PathValue("node"), q)
	if err != nil {
		return err
	}
	return answer(w, 0, reply)
}

func (a *api) drain(to wire.NodeStatus) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		reason := ""
		if to == wire.NodeDraining {
			reason = "drained by " + r.Header.Get(wire.HeaderActor)
		}
		id := r.PathValue("node")
		out, err := a.propose(r, wire.CmdNodeStatus, wire.SetNodeStatus{Node: id, Status: to, Reason: reason})
		if err != nil {
			return err
		}
		return answer(w, out.Index, wire.SubmitReply{ID: id, Index: out.Index})
	}
}

func (a *api) tasks(w http.ResponseWriter, r *http.Request) error {
	id, session := r.PathValue("node"), r.URL.Query().Get("session")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		reply := wire.TasksReply{Index: v.Index(), Assignments: v.Assignments(on, id, session)}
		return reply, nil
	})
}
