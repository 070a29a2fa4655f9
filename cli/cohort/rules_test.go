package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// sources calls visit for each Go file of the product that is no test.
func sources(t *testing.T, visit func(path string, set *token.FileSet, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		visit(strings.TrimPrefix(filepath.ToSlash(path), root+"/"), set, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Listeners are made where a node is wired, so that the address is checked
// once and simulations can hand in their own.
func TestOnlyNodeWiringListens(t *testing.T) {
	t.Parallel()
	wiring := []string{"coordinator", "worker", "cli", "cli/local", "bench/chaos"}
	seen := 0
	sources(t, func(path string, set *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok || !strings.HasPrefix(call.Sel.Name, "Listen") || call.Sel.Name == "Listener" {
				return true
			}
			if x, ok := call.X.(*ast.Ident); ok && (x.Name == "net" || x.Name == "http" || x.Name == "tls") {
				seen++
				if !slices.Contains(wiring, filepath.ToSlash(filepath.Dir(path))) {
					t.Errorf("%s: %s.%s outside node wiring: take a listener from the caller", set.Position(n.Pos()), x.Name, call.Sel.Name)
				}
			}
			return true
		})
	})
	if seen == 0 {
		t.Error("no listener found at all: this test looks at the wrong files")
	}
}

// Library code answers with errors: it neither ends the process nor panics on
// bad input by log.Fatal.
func TestOnlyMainExits(t *testing.T) {
	t.Parallel()
	sources(t, func(path string, set *token.FileSet, f *ast.File) {
		if f.Name.Name == "main" {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && (x.Name == "os" && s.Sel.Name == "Exit" || x.Name == "log" && strings.HasPrefix(s.Sel.Name, "Fatal")) {
					t.Errorf("%s: %s.%s outside main: return an error", set.Position(n.Pos()), x.Name, s.Sel.Name)
				}
			}
			return true
		})
	})
}

func TestTheTopLevelIsFixed(t *testing.T) {
	t.Parallel()
	want := []string{"Makefile", "README.md", "bench", "cli", "coordinator", "dataplane", "dkt", "go.mod", "go.sum", "kernels", "worker"}
	entries, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Base(e)
		if !strings.HasPrefix(name, ".") && name != "bin" && !strings.HasPrefix(name, "coverage.") && !slices.Contains(want, name) {
			t.Errorf("%s is not of the fixed top level %v", name, want)
		}
	}
}
