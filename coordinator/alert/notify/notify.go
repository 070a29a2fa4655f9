// Package notify tells people of incidents: by webhook, Slack or mail. A receiver
// that is down costs nobody else anything.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"cohort/coordinator/alert"
	"cohort/coordinator/wire"
)

// Receiver takes notices. Its errors hold no secret, nor what a server answered.
type Receiver interface {
	Send(ctx context.Context, n alert.Notice) error
}

// Named is a receiver as rules know it.
type Named struct {
	Receiver
	Name    string
	Timeout time.Duration // of one attempt; 0 is DefaultTimeout
}

// DefaultTimeout is of one attempt.
const DefaultTimeout = 10 * time.Second

// Open makes the receivers of a checked section. Secrets are read here once, so
// that one that is missing is named at the start, and again for each notice.
func Open(specs []wire.AlertReceiver) ([]Named, error) {
	// Notices are rare: a connection each leaves none open.
	c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	var all []Named
	var faults []error
	for k, r := range specs {
		for key, text := range map[string]string{"url": r.URL, "password": r.Secret} {
			if _, err := secret(text); err != nil {
				faults = append(faults, fmt.Errorf("alerts.receivers[%d].%s: %w", k, key, err))
			}
		}
		timeout, err := time.ParseDuration(r.Timeout)
		if err != nil {
			timeout = DefaultTimeout
		}
		all = append(all, Named{Receiver: open(r, c), Name: r.Name, Timeout: timeout})
	}
	return all, errors.Join(faults...)
}

func open(r wire.AlertReceiver, c *http.Client) Receiver {
	switch r.Kind {
	case "slack":
		return &slack{url: r.URL, http: c}
	case "email":
		return &email{r}
	default:
		return &webhook{url: r.URL, receiver: r.Name, http: c}
	}
}

// longestSecret bounds a secret's file.
const longestSecret = 64 << 10

// secret resolves a reference; any other text is what it is.
func secret(text string) (string, error) {
	if !wire.Reference(text) {
		return text, nil
	}
	kind, name, _ := strings.Cut(text, ":")
	value := os.Getenv(name)
	if kind == "file" {
		data, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", text, err)
		}
		if len(data) > longestSecret {
			return "", fmt.Errorf("%s is no secret: it is %d bytes", text, len(data))
		}
		value = strings.TrimRight(string(data), "\r\n")
	}
	if value == "" {
		return "", fmt.Errorf("%s is empty", text)
	}
	return value, nil
}

// headline is an incident in a few words: "[firing] worker-lost (3)".
func headline(n alert.Notice) string {
	text := fmt.Sprintf("[%s] %s", n.Kind, n.Alert.Rule)
	if n.Alert.Count > 1 {
		text += fmt.Sprintf(" (%d)", n.Alert.Count)
	}
	return text
}

// lines say what a person has to know.
func lines(n alert.Notice) []string {
	a := n.Alert
	said := []string{a.Text, "", "since " + clock(a.Since)}
	if n.Kind == alert.Over {
		said = append(said, "over since "+clock(a.Ended))
	} else {
		said = append(said, fmt.Sprintf("\"cohort alert ack %s\" says that you take care of it", a.ID))
	}
	return said
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC") }
