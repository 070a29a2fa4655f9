package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Why brokers refuse is known from the attempts, of which the last is cut off
// when the time is up.
func TestWhyBrokersRefuseOutlivesTheAttemptThatTimeCutsOff(t *testing.T) {
	late := fmt.Errorf("dial: %w", context.DeadlineExceeded)
	for name, c := range map[string]struct {
		attempts []error
		want     error
	}{
		"refused_then_late":     {[]error{io.EOF, late}, io.EOF},
		"refused_then_canceled": {[]error{io.EOF, context.Canceled}, io.EOF},
		"always_late":           {[]error{late, late}, late},
		"late_then_refused":     {[]error{late, io.EOF}, io.EOF},
		"refused_then_taken":    {[]error{io.EOF, nil}, nil},
	} {
		k := &kafka{}
		for _, err := range c.attempts {
			k.OnBrokerConnect(kgo.BrokerMetadata{}, 0, nil, err)
		}
		if !errors.Is(k.refused, c.want) {
			t.Errorf("%s: %v, want %v", name, k.refused, c.want)
		}
	}
}
