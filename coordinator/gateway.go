package coordinator

import (
	"path/filepath"

	"cohort/coordinator/gateway"
	"cohort/coordinator/httpapi"
)

// openGateway opens the gateway on this node's replica of the state.
func (n *Node) openGateway() (err error) {
	dir := ""
	if n.cfg.DataDir != "" {
		dir = filepath.Join(n.cfg.DataDir, "gateway")
	}
	n.gateway, err = gateway.New(gateway.Config{
		ID: n.cfg.ID, Dir: dir, State: n.state, Deployments: n.deployed, Blobs: n.cfg.Blobs,
		Propose: n.consensus.Propose, Serving: n.office.Serving, LeaderURL: n.leaderURL, Dial: n.dial(), Fault: httpapi.Fault, Logger: n.log,
		Contact: func() bool {
			id, _ := n.consensus.Leader()
			return id != ""
		},
	})
	if n.live = n.cfg.Live; n.live == nil {
		n.live = n.gateway
	}
	return err
}

// deployed are the deployments as the gateway sees them.
func (n *Node) deployed() []gateway.Deployed {
	v := n.state.Read()
	var all []gateway.Deployed
	for _, d := range v.Deployments(nil) {
		all = append(all, gateway.Deployed{Model: d.Model, Routes: d.Routes, Replicas: v.Replicas(d.Model)})
	}
	return all
}

// gatewayParts are the gateway's parts of the API.
func (n *Node) gatewayParts() []httpapi.Part {
	var parts []httpapi.Part
	for _, p := range n.gateway.Pages() {
		parts = append(parts, httpapi.Part(p))
	}
	return parts
}
