//go:build linux

package cli_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/cli/local"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dkt/simulate"
	"cohort/worker/serve"
)

// shelfCluster is a cluster with a model in production that is really trained; dir
// is where it keeps its files.
func shelfCluster(t *testing.T, workers int) (c *local.Cluster, dir string, v wire.VersionView) {
	t.Helper()
	dir = t.TempDir()
	c, err := local.Start(t.Context(), local.Config{Workers: workers, DataDir: dir, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	job := pipelineOf(fmt.Sprintf("data: {events: %q}", events), "register: {model: dkt, promote: true}", "gates: {auc: 0.2, accuracy: 0.2, improvement: 0}")
	cohort(t, job, nil, "job", "run", "-", "-q", "--addr", c.URL()).expect(t, 0, "")
	return c, dir, productionOf(t, c.URL(), "dkt")
}

// blobFile is where the cluster of a folder keeps a blob.
func blobFile(dir, hash string) string { return filepath.Join(dir, "c1", "blobs", hash[:2], hash) }

// spoil changes one byte of a file, and answers what takes it back.
func spoil(t *testing.T, path string) (undo func()) {
	t.Helper()
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is := bytes.Clone(was)
	is[len(is)/2] ^= 1
	put(is)
	return func() { put(was) }
}

func deploymentOf(t *testing.T, url string) (d wire.DeploymentView) {
	t.Helper()
	o := cohort(t, "", nil, "deploy", "status", "dkt", "-o", "json", "--addr", url)
	if err := json.Unmarshal([]byte(o.out), &d); err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	return d
}

// refused waits until a replica says why it does not serve: none is ready, and no
// request is answered.
func refused(t *testing.T, url, want string) {
	t.Helper()
	var d wire.DeploymentView
	until(t, want, func() bool {
		d = deploymentOf(t, url)
		return len(d.Versions) == 1 && strings.Contains(d.Versions[0].Reason, want)
	})
	if d.Versions[0].Ready != 0 || d.Versions[0].Percent != 0 || strings.Contains(d.Versions[0].Reason, "\n") {
		t.Errorf("%+v", d.Versions[0])
	}
	o := cohort(t, "", nil, "deploy", "status", "dkt", "--addr", url)
	if !strings.Contains(o.out, want) {
		t.Errorf("the table lacks %q: %s", want, o.out)
	}
	t.Logf("| deploy status | %d | %s |", o.code, d.Versions[0].Reason)
	r, err := http.Post(url+"/invocations", "application/json", strings.NewReader(`{"inputs": [[1, 2, 3]]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil || r.StatusCode == http.StatusOK {
		t.Errorf("a request is answered: %s, %v", r.Status, err)
	}
}

// An altered weights file or manifest is named by model verify and by the replica,
// which does not serve it; the right bytes put back, it does.
func TestWhatWasAlteredIsNotServed(t *testing.T) {
	long(t)
	t.Parallel()
	c, dir, v := shelfCluster(t, 1)
	url := c.URL()
	for _, blob := range []struct{ name, hash string }{{"weights", v.Weights}, {"manifest", v.Manifest}} {
		undo := spoil(t, blobFile(dir, blob.hash))
		o := cohort(t, "", nil, "model", "verify", "dkt", "--addr", url)
		o.expect(t, 1, "dkt@1 is not what was registered: "+blob.name+" "+blob.hash+": altered or broken off")
		o.oneLine(t)
		start := func() outcome {
			return cohort(t, "", nil, "deploy", "start", "dkt@1", "--replicas", "1", "-d", "--addr", url)
		}
		if blob.name == "weights" {
			start().expect(t, 0, "")
			refused(t, url, "read weights "+blob.hash)
		} else {
			start().expect(t, 1, "manifest of version 1: read blob "+blob.hash+": blob corrupt")
			cohort(t, "", nil, "model", "reproduce", "dkt", "--addr", url).expect(t, 5, "dkt@1 is not what was registered: manifest: read blob "+v.Manifest+": blob corrupt")
		}
		undo()
		if blob.name == "manifest" {
			start().expect(t, 0, "")
		}
		until(t, "a replica of the right bytes", func() bool {
			d := deploymentOf(t, url)
			return len(d.Versions) == 1 && d.Versions[0].Ready == 1
		})
		cohort(t, "", nil, "model", "verify", "dkt", "--addr", url).expect(t, 0, "")
		cohort(t, "", nil, "deploy", "stop", "dkt", "--reason", "test", "--addr", url).expect(t, 0, "")
	}
}

// forged is the cluster's API with a version that says otherwise than the registry.
func forged(t *testing.T, url string, alter func(v *wire.VersionView)) string {
	t.Helper()
	to, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: &http.Transport{}}
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.Contains(r.Request.URL.Path, "/versions/") {
			return nil
		}
		var v wire.VersionView
		if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
			return err
		}
		alter(&v)
		text, err := json.Marshal(v)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		r.Header.Del("Content-Length")
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	t.Cleanup(proxy.Transport.(*http.Transport).CloseIdleConnections)
	return server.URL
}

// A signature that is not the coordinator's over this very manifest is refused by
// model verify, by an export, and by a replica when it loads the model.
func TestAWrongSignatureIsRefused(t *testing.T) {
	t.Parallel()
	c, _, v := shelfCluster(t, 1)
	api := client.New([]string{c.URL()}, client.Options{Actor: "test"})
	t.Cleanup(api.Close)
	keys, err := api.Keys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	blobs := api.Blobs(lake.ErrNotFound, lake.ErrCorrupt)
	text, err := lake.Read(t.Context(), blobs, v.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	other, err := lake.Write(t.Context(), blobs, bytes.Replace(text, []byte(`"window":`), []byte(`"window":1`), 1))
	if err != nil || other == v.Manifest {
		t.Fatal(err)
	}
	_, mallory, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, alter := range map[string]func(v *wire.VersionView){
		"":                       func(*wire.VersionView) {},
		"a bit of it":            func(v *wire.VersionView) { v.Signature[9] ^= 1 },
		"none":                   func(v *wire.VersionView) { v.Signature = nil },
		"another's":              func(v *wire.VersionView) { v.Signature = ed25519.Sign(mallory, wire.SignedText(v.Manifest)) },
		"of an altered manifest": func(v *wire.VersionView) { v.Manifest = other },
		"another's, of an altered": func(v *wire.VersionView) {
			v.Manifest, v.Signature = other, ed25519.Sign(mallory, wire.SignedText(other))
		},
	} {
		url := forged(t, c.URL(), alter)
		is := v
		is.Signature = bytes.Clone(v.Signature)
		alter(&is)
		o := cohort(t, "", nil, "model", "verify", "dkt@1", "--addr", url)
		export := cohort(t, "", nil, "model", "export", "dkt@1", "--file", filepath.Join(t.TempDir(), "m"), "--addr", url)
		loaded := load(t, blobs, is.ModelVersion, keys[0].Public)
		if name == "" {
			if o.code != 0 || export.code != 0 || loaded != nil {
				t.Errorf("the right one: %+v, %+v, %v", o, export, loaded)
			}
			continue
		}
		o.expect(t, 1, "dkt@1 is not what was registered: the signature is not key "+v.Key+"'s of manifest "+is.Manifest)
		o.oneLine(t)
		export.expect(t, 1, "dkt@1 is not what was registered")
		if loaded == nil || !strings.Contains(loaded.Error(), "model dkt, version 1: its signature is not by the coordinator's key: it is not served") {
			t.Errorf("%s: a replica says %v", name, loaded)
		}
		t.Logf("| %s | %d | %s |", name, o.code, strings.TrimSpace(o.err))
	}
	cohort(t, "", nil, "model", "verify", "dkt@1", "--addr", forged(t, c.URL(), func(v *wire.VersionView) { v.Key = "0123456789abcdef" })).
		expect(t, 1, `signing key "0123456789abcdef" is unknown to the cluster`)
}

// load has a replica load a version from the cluster's store.
func load(t *testing.T, blobs lake.Blobs, v wire.ModelVersion, public []byte) error {
	t.Helper()
	settings, err := json.Marshal(wire.ServeSettings{Model: v.Model, Version: v.Version, Signature: v.Signature, Public: public})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r, err := serve.Start(t.Context(), serve.Config{
		Listener: l, Blobs: blobs, Logger: slog.New(slog.DiscardHandler),
		Stage: wire.Stage{Name: "serve", Kind: wire.StageServe, Inputs: map[string]string{"weights": v.Weights, "manifest": v.Manifest}, Settings: settings},
	})
	if err != nil {
		return err
	}
	return r.Close()
}
