package state_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// State and schedule are pure: what they need from the world comes as arguments.
func TestStateAndScheduleArePure(t *testing.T) {
	banned := []string{"time", "os", "net", "math/rand", "math/rand/v2", "crypto/rand", "net/http", "syscall"}
	for _, dir := range []string{".", "../schedule"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
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
			for _, i := range f.Imports {
				if name, _ := strconv.Unquote(i.Path.Value); slices.Contains(banned, name) {
					t.Errorf("%s imports %s: take it as an argument", path, name)
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if g, ok := n.(*ast.GoStmt); ok {
					t.Errorf("%s: a goroutine", set.Position(g.Pos()))
				}
				return true
			})
		}
	}
}
