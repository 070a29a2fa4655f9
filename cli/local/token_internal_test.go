package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheAdminTokenIsDrawnOnce(t *testing.T) {
	dir := t.TempDir()
	first, err := adminToken(dir)
	if err != nil || len(first) < 20 {
		t.Fatalf("token of %d letters, %v", len(first), err)
	}
	path := filepath.Join(dir, TokenFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if again, err := adminToken(dir); err != nil || again != first {
		t.Errorf("another one the second time, %v", err)
	}
	if other, err := adminToken(t.TempDir()); err != nil || other == first {
		t.Errorf("the same one for another cluster, %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := adminToken(dir); err == nil || !strings.Contains(err.Error(), "admin token") {
		t.Errorf("from a folder: %v", err)
	}
}
