package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// KeyID names a public key.
func KeyID(public []byte) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// SignedBy reports whether the key signed the version's manifest.
func (v *ModelVersion) SignedBy(public []byte) bool {
	return len(public) == ed25519.PublicKeySize && ed25519.Verify(public, SignedText(v.Manifest), v.Signature)
}

// Differs says in what the version's record and its manifest do not agree;
// empty: they do.
func (v *ModelVersion) Differs(m ModelManifest) string {
	for _, f := range [][3]string{
		{"model", m.Model, v.Model},
		{"weights", m.Weights, v.Weights},
		{"weights_sha256", m.WeightsHash, v.WeightsHash},
		{"engine", m.Engine, v.Engine},
	} {
		if f[1] != f[2] {
			return fmt.Sprintf("%s is %q, the version's is %q", f[0], f[1], f[2])
		}
	}
	return ""
}
