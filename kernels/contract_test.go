package kernels

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// exact lists the packages that the contract binds, with their Go files: all
// below kernels and dkt but the oracle dkt/graph and commands.
func exact(t *testing.T) map[string][]string {
	t.Helper()
	packages := map[string][]string{}
	for _, top := range []string{"kernels", "dkt"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly)
			if err != nil {
				return err
			}
			dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
			if f.Name.Name != "main" && dir != "dkt/graph" {
				packages[dir] = append(packages[dir], path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"kernels", "kernels/cpu", "dkt", "dkt/metric", "dkt/sequence"} {
		if len(packages[p]) == 0 {
			t.Fatalf("no files of %s found: this test looks in the wrong place", p)
		}
	}
	return packages
}

// portableMath are the functions and constants of package math that give the
// same bits on every machine.
var portableMath = []string{
	"Sqrt", "FMA", "Abs", "Floor", "Trunc", "Copysign", "Float32bits", "Float32frombits", "Float64bits",
	"Float64frombits", "Inf", "NaN", "IsNaN", "IsInf", "MaxFloat32", "MaxFloat64", "MaxInt64", "MaxInt32", "MaxUint32", "Sqrt2", "Pi", "Ln2",
}

// barred are packages whose numbers have no place in the contract.
var barred = []string{"math/cmplx", "math/rand", "math/rand/v2", "crypto/rand"}

func TestOnlyPortableMathIsCalled(t *testing.T) {
	used := 0
	for _, files := range exact(t) {
		for _, path := range files {
			n, faults := mathFaults(t, path, nil)
			used += n
			for _, fault := range faults {
				t.Error(fault)
			}
		}
	}
	if used == 0 {
		t.Error("no use of math found: this test looks at the wrong files")
	}
}

func TestTheMathTestSeesEveryWayToCall(t *testing.T) {
	for source, want := range map[string]int{
		`import "math"; var x = math.Sqrt(2)`:                       0,
		`import "math"; var x = math.Exp(2)`:                        1,
		`import "math"; var f = math.Tanh`:                          1,
		`import m "math"; var x = m.Log1p(2) + m.Pow(2, 3)`:         2,
		`import . "math"; var x = Cos(2)`:                           1,
		`import "math/rand/v2"; var x = rand.Float64()`:             1,
		`import "math/bits"; var x = bits.Len(2)`:                   0,
		`import "cohort/kernels"; var math = kernels.Exp(1)`:        0,
		`import "math"; const x = math.MaxFloat64; var y = math.Pi`: 0,
	} {
		if _, faults := mathFaults(t, "x.go", "package x; "+source); len(faults) != want {
			t.Errorf("%s: %q, want %d faults", source, faults, want)
		}
	}
}

// mathFaults counts the uses of package math in a file and says which of them
// are not portable.
func mathFaults(t *testing.T, path string, source any) (used int, faults []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	for _, i := range f.Imports {
		at := set.Position(i.Pos())
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case slices.Contains(barred, imported):
			faults = append(faults, fmt.Sprintf("%s: imports %s", at, imported))
		case imported == "math" && i.Name == nil:
			name = "math"
		case imported == "math" && i.Name.Name == ".":
			faults = append(faults, fmt.Sprintf("%s: dot import of math", at))
		case imported == "math":
			name = i.Name.Name
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok || name == "" {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == name {
			used++
			if !slices.Contains(portableMath, s.Sel.Name) {
				faults = append(faults, fmt.Sprintf("%s: math.%s differs between machines: use package kernels", set.Position(n.Pos()), s.Sel.Name))
			}
		}
		return true
	})
	return used, faults
}

// fused matches the fused instructions of arm64 and amd64.
var fused = regexp.MustCompile(`\s(FN?M(ADD|SUB)[DS]|VFN?M(ADD|SUB)\d+[SP][SD])\s`)

// function matches the head of a function in the compiler's listing; its name
// is what follows the package's path.
var function = regexp.MustCompile(`^[\w/]+?\.(\S+) STEXT`)

// fusingTargets are where Go's compiler fuses x*y + z of its own accord.
func fusingTargets() map[string][]string {
	return map[string][]string{
		"arm64":    {"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"},
		"amd64-v3": {"GOOS=linux", "GOARCH=amd64", "GOAMD64=v3", "CGO_ENABLED=0"},
	}
}

// No compiler may fuse a product and a sum but in functions named fma*. The
// hand-written micro-kernels are not the compiler's and not in its listing.
func TestNothingIsFusedBehindOurBack(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the exact packages for two targets: make cover runs it")
	}
	var listed, packages []string
	for p := range exact(t) {
		listed = append(listed, "-gcflags=cohort/"+p+"=-S")
		packages = append(packages, "cohort/"+p)
	}
	slices.Sort(listed) // the same command each time is cached
	slices.Sort(packages)
	for name, env := range fusingTargets() {
		t.Run(name, func(t *testing.T) {
			out := goBuild(t, ".", env, append(listed, packages...))
			faults, functions, allowed := fusedIn(out)
			for _, f := range faults {
				t.Error(f)
			}
			if functions < 100 || allowed == 0 {
				t.Errorf("%d functions and %d fused instructions in fma*: the listing was not read", functions, allowed)
			}
		})
	}
}

// The check above finds what a compiler fuses, and where.
func TestFusedInstructionsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for two targets: make cover runs it")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module probe\n\ngo 1.26\n",
		"probe.go": `package probe

type T struct{}

func Apart(x, y, z float32) float32 { return float32(x*y) + z }
func Add(x, y, z float32) float32   { return x*y + z }
func Sub(x, y, z float64) float64   { return x*y - z }
func (T) Less(x, y, z float64) float64 { return z - x*y }
func fmaHere(x, y, z float64) float64 { return x*y + z }

//go:noinline
func Use(x float64) float64 { return fmaHere(x, x, 1) }
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, env := range fusingTargets() {
		t.Run(name, func(t *testing.T) {
			faults, _, allowed := fusedIn(goBuild(t, dir, env, []string{"-gcflags=-S", "."}))
			found := strings.Join(faults, "\n")
			// an fma* function that is inlined elsewhere is a fault there
			want := []string{"Add: ", "Use: "}
			if name == "arm64" { // amd64 has no use for the other forms
				want = append(want, "Sub: ", "T.Less: ")
			}
			for _, w := range want {
				if !strings.Contains("\n"+found, "\n"+w) {
					t.Errorf("no fused instruction found in %s\n%s", w, found)
				}
			}
			if strings.Contains(found, "Apart: ") || allowed == 0 {
				t.Errorf("%d allowed; faults:\n%s", allowed, found)
			}
		})
	}
}

// goBuild is what go build writes, with a cache's copy of the listing as good
// as a fresh one.
func goBuild(t *testing.T, dir string, env, args []string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out[max(0, len(out)-2000):])
	}
	return out
}

// fusedIn lists the fused instructions outside functions named fma*.
func fusedIn(listing []byte) (faults []string, functions, allowed int) {
	in := ""
	lines := bufio.NewScanner(bytes.NewReader(listing))
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		if m := function.FindStringSubmatch(lines.Text()); m != nil {
			in = m[1]
			functions++
		}
		switch {
		case !fused.MatchString(lines.Text()):
		case strings.HasPrefix(strings.ToLower(in), "fma"):
			allowed++
		default:
			faults = append(faults, fmt.Sprintf("%s: %s", in, strings.TrimSpace(lines.Text())))
		}
	}
	return faults, functions, allowed
}
