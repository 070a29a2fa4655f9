package wire

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// override lays each "key=value" of d.set over the mapping root. Keys are
// paths with dots; values are YAML.
func (d *decoder) override(root *yaml.Node) {
	for k, s := range d.set {
		line := -k - 1
		path, value, ok := strings.Cut(s, "=")
		if !ok || path == "" {
			d.fault(line, "want key=value, such as train.epochs=2")
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(value), &doc); err != nil {
			d.fault(line, "value is not YAML: %s", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		leaf := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}
		if len(doc.Content) == 1 {
			leaf = doc.Content[0]
		}
		relabel(leaf, line, 0)
		put(root, strings.Split(path, "."), leaf, line)
	}
}

// relabel gives n and all below it a line, so that faults name the override.
func relabel(n *yaml.Node, line, depth int) {
	n.Line = line
	if depth > 100 {
		return
	}
	for _, c := range n.Content {
		relabel(c, line, depth+1)
	}
}

// put sets the value at path below mapping n, making sections on the way. A
// section that is no mapping is replaced.
func put(n *yaml.Node, path []string, leaf *yaml.Node, line int) {
	for len(path) > 0 {
		next := leaf
		if len(path) > 1 {
			next = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
		}
		k := 0
		for k+1 < len(n.Content) && n.Content[k].Value != path[0] {
			k += 2
		}
		switch {
		case k+1 >= len(n.Content):
			key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: path[0], Line: line}
			n.Content = append(n.Content, key, next)
		case len(path) == 1 || n.Content[k+1].Kind != yaml.MappingNode:
			n.Content[k].Line, n.Content[k+1] = line, next
		default:
			next = n.Content[k+1]
		}
		n, path = next, path[1:]
	}
}
