package wire

// Requests and replies of the deployments' part of the API.
//
//	GET  /v1/deployments, /v1/deployments/{model}       []DeploymentView, DeploymentView
//	POST /v1/deployments/{model}/start    DeployRequest   Outcome
//	POST /v1/deployments/{model}/promote  TrafficRequest  Outcome (all traffic to Next now)
//	POST /v1/deployments/{model}/rollback TrafficRequest  Outcome
//	POST /v1/deployments/{model}/traffic  TrafficRequest  Outcome (routes by hand)
//	POST /v1/deployments/{model}/stop     UndeployRequest Outcome
//	POST /v1/tasks/ready                  TaskReady       Outcome

// DeployRequest starts replicas of a version.
type DeployRequest struct {
	Version int `json:"version,omitempty"` // 0: the one in staging, else in production, else the newest
	// Spec with no replicas is the deployment's own, or DefaultDeploy.
	Spec       DeploySpec `json:"spec"`
	Auto       bool       `json:"auto"`            // traffic moves by itself, as Spec says
	Force      bool       `json:"force,omitempty"` // pass over the gates: an admin may, with Reason
	Reason     string     `json:"reason,omitempty"`
	CheckIndex uint64     `json:"check_index,omitempty"` // of the deployment
}

// TrafficRequest moves traffic. Routes are of /traffic alone.
type TrafficRequest struct {
	Routes     []Route `json:"routes,omitempty"`
	Force      bool    `json:"force,omitempty"`
	Reason     string  `json:"reason,omitempty"`
	CheckIndex uint64  `json:"check_index,omitempty"`
}

// UndeployRequest ends the replicas of a version that has no traffic, or all.
type UndeployRequest struct {
	Version    int    `json:"version,omitempty"` // 0: all
	Reason     string `json:"reason,omitempty"`
	CheckIndex uint64 `json:"check_index,omitempty"`
}

// DeploymentView is a deployment as a person or a program sees it.
type DeploymentView struct {
	Deployment
	Versions []DeployedVersion `json:"versions"` // the newest first
}

// DeployedVersion is a version that has replicas.
type DeployedVersion struct {
	Version int        `json:"version"`
	Percent int        `json:"percent"`
	Job     string     `json:"job"`
	Ready   int        `json:"ready"`
	Wanted  int        `json:"wanted"`
	Addrs   []string   `json:"addrs"`            // of those ready
	Reason  string     `json:"reason,omitempty"` // why not all are ready
	Live    *LiveStats `json:"live,omitempty"`   // nil: it answered nothing of late
}
