package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers is the order of packages, lowest first: a package imports only from
// lower lines, never its own.
var layers = []string{
	"coordinator/cron",
	"kernels dataplane coordinator/metrics/machine coordinator/wire coordinator/simnet",
	"kernels/cpu dkt/metric dkt/tune dkt/onnx dkt/input dkt/sequence dkt/simulate dataplane/batch coordinator/state coordinator/gossip coordinator/client worker/device worker/supervise",
	"kernels/kerneltest dkt dkt/baseline dkt/infer dataplane/lake dataplane/stream coordinator/schedule coordinator/alert coordinator/consensus worker/collective",
	"coordinator/gateway dkt/graph dkt/checkpoint dkt/feature dataplane/source dataplane/fetch dataplane/quality coordinator/alert/notify coordinator/metrics",
	"coordinator/httpapi worker/train worker/stage worker/serve",
	"coordinator worker",
	"cli/local",
	"bench",
	"bench/chaos cli",
	"cli/cohort",
}

// tools are programs of the build, outside the product.
var tools = []string{"kernels/cpu/gen", ".ci/coverage"}

// owners are the only packages that may import what lies below a path.
var owners = map[string]string{
	"github.com/hashicorp/raft":       "coordinator/consensus coordinator/simnet",
	"go.etcd.io/bbolt":                "coordinator/consensus coordinator/gateway",
	"github.com/klauspost/compress":   "dataplane",
	"github.com/hashicorp/memberlist": "coordinator/gossip coordinator/simnet",
	"github.com/hashicorp/go-memdb":   "coordinator/state",
	"github.com/nats-io":              "dataplane/stream",
	"github.com/apache/arrow":         "dataplane",
	"github.com/jackc/pgx":            "dataplane/source",
	"gocloud.dev":                     "dataplane",
	"github.com/aws":                  "dataplane/source",
	"cloud.google.com":                "dataplane/source",
	"gorgonia.org/cu":                 "kernels/cuda worker/device",
	"gorgonia.org/gorgonia":           "dkt/graph",
	"gorgonia.org/tensor":             "dkt/graph",
	"github.com/urfave/cli":           "cli",
	"github.com/robfig/cron":          "coordinator/cron",
	"net/http":                        "coordinator worker cli bench",
	"github.com/prometheus":           "coordinator worker",
	"github.com/hashicorp/golang-lru": "dkt/graph worker/serve",
	"github.com/twmb/franz-go":        "dataplane/source",
	"google.golang.org/protobuf":      "dkt/onnx",
	"github.com/wneessen/go-mail":     "coordinator/alert/notify",
	"C":                               "kernels/cuda worker/device",
}

type goPackage struct {
	ImportPath string
	Doc        string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports", "cohort/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, "cohort/")
		all = append(all, p)
	}
}

func TestAPackageImportsOnlyFromLowerLayers(t *testing.T) {
	t.Parallel()
	line := map[string]int{}
	for k, names := range layers {
		for name := range strings.FieldsSeq(names) {
			line[name] = k + 1
		}
	}
	for _, p := range listPackages(t) {
		if slices.Contains(tools, p.ImportPath) {
			continue
		}
		if line[p.ImportPath] == 0 {
			t.Errorf("%s is in no layer: add it to the table in this file", p.ImportPath)
		}
		for _, i := range p.Imports {
			lower, ours := strings.CutPrefix(i, "cohort/")
			if ours && line[lower] >= line[p.ImportPath] {
				t.Errorf("%s (line %d) imports %s (line %d): move the shared part lower, or declare a small interface",
					p.ImportPath, line[p.ImportPath], lower, line[lower])
			}
		}
	}
}

func TestEachOutsideLibraryStaysWithItsOwner(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		for _, i := range p.Imports {
			for library, allowed := range owners {
				if within(i, library) && !slices.ContainsFunc(strings.Fields(allowed), func(o string) bool {
					return within(p.ImportPath, o)
				}) {
					t.Errorf("%s imports %s, which belongs to %s", p.ImportPath, i, allowed)
				}
			}
		}
	}
}

// within reports whether path is base or lies below it.
func within(path, base string) bool { return path == base || strings.HasPrefix(path, base+"/") }

func TestEachPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
