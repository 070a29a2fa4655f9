package coordinator

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"cohort/coordinator/wire"
)

// keyFile is where a coordinator keeps the key that it signs models with: PKCS 8
// in PEM, for the owner alone.
const keyFile = "signing.key"

// signingKey reads the node's key, or makes one at its first start. Without a
// folder it is made anew each time.
func signingKey(dir string) (ed25519.PrivateKey, error) {
	if dir == "" {
		return newKey()
	}
	path := filepath.Join(dir, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, errors.Join(fmt.Errorf("signing key %s may be read by others: chmod 600 it", path), err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("signing key %s is no PEM file", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if private, ok := key.(ed25519.PrivateKey); ok && err == nil {
		return private, nil
	}
	return nil, fmt.Errorf("signing key %s is no ed25519 key", path) // the parser's words might show some of it
}

func newKey() (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return private, nil
}

// makeKey writes a new key aside and gives it its name when it is whole.
func makeKey(path string) (ed25519.PrivateKey, error) {
	private, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return private, nil
}

// publicOf is the record of a key.
func publicOf(private ed25519.PrivateKey, owner string) wire.SigningKey {
	public := []byte(private.Public().(ed25519.PublicKey))
	return wire.SigningKey{ID: wire.KeyID(public), Public: public, Owner: owner}
}

// introduce makes this leader's key known, once the cluster can keep it.
func (n *Node) introduce(ctx context.Context) {
	v := n.state.Read()
	if _, known := v.Key(nil, n.public.ID); known || v.Level() < wire.CmdPutKey.Level() {
		return
	}
	n.propose(ctx, wire.CmdPutKey, wire.PutKey{Key: n.public})
}
