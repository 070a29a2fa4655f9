package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"cohort/coordinator/alert"
	"cohort/coordinator/wire"
)

// Message is the body of a webhook's POST. Any 2xx is taken for "received". The
// same incident and kind may come twice: after a crash, or where the answer was lost.
type Message struct {
	Version  int        `json:"version"` // 1
	Kind     alert.Kind `json:"kind"`    // firing, grown, reminder, resolved
	Receiver string     `json:"receiver"`
	Alert    wire.Alert `json:"alert"`
}

type webhook struct {
	url, receiver string
	http          *http.Client
}

func (w *webhook) Send(ctx context.Context, n alert.Notice) error {
	return post(ctx, w.http, w.url, Message{Version: 1, Kind: n.Kind, Receiver: w.receiver, Alert: n.Alert})
}

// slack posts to an incoming webhook of Slack's, whose whole API is this.
type slack struct {
	url  string
	http *http.Client
}

func (s *slack) Send(ctx context.Context, n alert.Notice) error {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	text := "*" + escape.Replace(headline(n)) + "*\n" + escape.Replace(strings.Join(lines(n), "\n"))
	return post(ctx, s.http, s.url, map[string]string{"text": text})
}

// post never tells the URL, which may be a secret.
func post(ctx context.Context, c *http.Client, ref string, body any) error {
	to, err := secret(ref)
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode notice: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(text))
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "cohort")
	reply, err := c.Do(r)
	if err != nil {
		if call, ok := errors.AsType[*url.Error](err); ok {
			err = call.Err
		}
		return err
	}
	defer reply.Body.Close() //nolint:errcheck // read only
	if reply.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %d", reply.StatusCode)
	}
	return nil
}
