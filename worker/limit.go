package worker

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"cohort/coordinator/wire"
)

// tooLongError ends an attempt that takes longer than its stage allows.
type tooLongError struct {
	stage string
	limit time.Duration
}

var zeroParts = regexp.MustCompile(`([hm])(?:0m)?0s$`)

// Error names the limit as a person writes it: 10m, not 10m0s.
func (e *tooLongError) Error() string {
	return fmt.Sprintf("stage %s took longer than %s", e.stage, zeroParts.ReplaceAllString(e.limit.String(), "$1"))
}

// limited is work's context with the time-out of the stage, if it has one.
func limited(work context.Context, s wire.Stage) (context.Context, context.CancelFunc) {
	if s.Timeout <= 0 {
		return work, func() {}
	}
	limit := time.Duration(s.Timeout) * time.Millisecond
	return context.WithTimeoutCause(work, limit, &tooLongError{s.Name, limit})
}
