package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
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
