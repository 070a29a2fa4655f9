package wire

import (
	"fmt"
	"strings"
)

// Unserved says why no replica serves a model of these settings; empty: replicas do.
func (s ModelSpec) Unserved() string {
	switch {
	case s.Engine == "graph":
		return "replicas serve models of engine kernels, not graph"
	case len(s.Inputs) > 0:
		return fmt.Sprintf("replicas serve models of skill and correctness alone, not of inputs %s", strings.Join(s.Inputs, ", "))
	}
	return ""
}
