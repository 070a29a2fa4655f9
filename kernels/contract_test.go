package kernels

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exact are the packages that the contract binds.
var exact = []string{
	"kernels", "kernels/cpu", "dkt", "dkt/metric", "dkt/sequence", "dkt/simulate", "dkt/baseline", "dkt/checkpoint",
}

// portableMath are the functions and constants of package math that give the
// same bits on every machine.
var portableMath = []string{
	"Sqrt", "FMA", "Abs", "Floor", "Trunc", "Copysign", "Float32bits", "Float32frombits", "Float64bits",
	"Float64frombits", "Inf", "NaN", "IsNaN", "IsInf", "MaxFloat32", "MaxFloat64", "MaxInt64", "MaxInt32", "Sqrt2", "Pi", "Ln2",
}

func TestOnlyPortableMathIsCalled(t *testing.T) {
	seen := 0
	for _, dir := range exact {
		files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "math" {
					seen++
					if !slices.Contains(portableMath, s.Sel.Name) {
						t.Errorf("%s: math.%s differs between machines: use this package's", set.Position(n.Pos()), s.Sel.Name)
					}
				}
				return true
			})
		}
	}
	if seen == 0 {
		t.Error("no use of math found: this test looks at the wrong files")
	}
}

// fused matches the fused instructions of arm64 and amd64.
var fused = regexp.MustCompile(`\s(FN?M(ADD|SUB)[DS]|VFN?M(ADD|SUB)\d+[SP][SD])\s`)

// function matches the head of a function in the compiler's listing.
var function = regexp.MustCompile(`^cohort/\S*?\.(\S+) STEXT`)

// No compiler may fuse a product and a sum but in functions named fma*.
func TestNothingIsFusedBehindOurBack(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the exact packages for two targets")
	}
	for name, env := range map[string][]string{
		"arm64":    {"GOOS=linux", "GOARCH=arm64"},
		"amd64-v3": {"GOOS=linux", "GOARCH=amd64", "GOAMD64=v3"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"build"}
			for _, p := range exact {
				args = append(args, "-gcflags=cohort/"+p+"=-S")
			}
			for _, p := range exact {
				args = append(args, "cohort/"+p)
			}
			cmd := exec.CommandContext(t.Context(), "go", args...)
			cmd.Env = append(os.Environ(), append(env, "CGO_ENABLED=0")...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("go build: %v\n%s", err, out[max(0, len(out)-2000):])
			}
			checkListing(t, out)
		})
	}
}

func checkListing(t *testing.T, listing []byte) {
	in, functions, allowed := "", 0, 0
	lines := bufio.NewScanner(bytes.NewReader(listing))
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		if m := function.FindStringSubmatch(lines.Text()); m != nil {
			in = m[1]
			functions++
		}
		if !fused.MatchString(lines.Text()) {
			continue
		}
		if strings.HasPrefix(strings.ToLower(in), "fma") {
			allowed++
			continue
		}
		t.Errorf("%s: %s", in, strings.TrimSpace(lines.Text()))
	}
	if functions < 100 || allowed == 0 {
		t.Errorf("%d functions and %d fused instructions in fma*: the listing was not read", functions, allowed)
	}
}
