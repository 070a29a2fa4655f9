package coordinator_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

// A coordinator makes its key once, keeps it to itself, and tells the public half.
func TestACoordinatorKeepsItsKey(t *testing.T) {
	dir := t.TempDir()
	n := alone(t, dir, longLease)
	api := client.New([]string{n.Addr()}, client.Options{Patience: time.Minute})
	defer api.Close()
	known := func(want int) []wire.SigningKey {
		t.Helper()
		for deadline := time.After(time.Minute); ; {
			changed := n.State().Changed()
			keys, err := api.Keys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(keys) == want {
				return keys
			}
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("never knew %d keys", want)
			}
		}
	}
	first := known(1)[0]
	if first.Owner != "c1" || first.ID != wire.KeyID(first.Public) {
		t.Errorf("key %+v", first)
	}
	path := filepath.Join(dir, "signing.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = alone(t, dir, longLease)
	api = client.New([]string{n.Addr()}, client.Options{Patience: time.Minute})
	defer api.Close()
	if k := known(1)[0]; k.ID != first.ID {
		t.Errorf("after a restart the key is %s, before %s", k.ID, first.ID)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key's file has changed, %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestABadKeyIsNamedAndNeverShown(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"open":    {"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", 0o644, "may be read by others"},
		"no pem":  {"secret", 0o600, "is no PEM file"},
		"no key":  {"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", 0o600, "is no ed25519 key"},
		"nothing": {"", 0o600, "is no PEM file"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "signing.key")
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := tryAlone(t, dir, longLease)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
