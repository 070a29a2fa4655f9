package state

import (
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"
)

// Envelope makes the envelope of a command; the leader fills in its Time.
func Envelope(n wire.Number, body any, actor, request string) (wire.Envelope, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return wire.Envelope{}, fmt.Errorf("encode command %d: %w", n, err)
	}
	env := wire.Envelope{Number: n, Version: bodyVersion, Actor: actor, Request: request, Body: text}
	if b, ok := body.(interface{ Level() int }); ok {
		env.Needs = b.Level()
	}
	return env, nil
}

// Encode is an envelope as a log entry.
func Encode(env wire.Envelope) ([]byte, error) {
	b, err := json.Marshal(env)
	if err != nil {
		return nil, fmt.Errorf("encode envelope: %w", err)
	}
	return b, nil
}

// Decode reads a log entry.
func Decode(b []byte) (wire.Envelope, error) {
	var env wire.Envelope
	if err := json.Unmarshal(b, &env); err != nil {
		return env, fmt.Errorf("decode envelope: %w", err)
	}
	return env, nil
}
