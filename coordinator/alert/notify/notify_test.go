package notify_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cohort/coordinator/alert"
	"cohort/coordinator/alert/notify"
	"cohort/coordinator/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func notice(kind alert.Kind) alert.Notice {
	return alert.Notice{Kind: kind, At: 5, Alert: wire.Alert{
		ID: "al-1", Rule: "worker-lost", Status: wire.AlertFiring, Labels: map[string]string{"worker": "w<1>"},
		Text: "worker w<1> is lost & gone. Start it again", Count: 3, Since: 1_700_000_000_000,
	}}
}

// posts is a server that keeps what was posted and answers with a status.
func posts(t *testing.T, status int) (url string, bodies chan string) {
	t.Helper()
	bodies = make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.Header, err)
		}
		bodies <- string(text)
		w.WriteHeader(status)
		fmt.Fprint(w, "hunter2")
	}))
	t.Cleanup(s.Close)
	return s.URL, bodies
}

// send opens one receiver and gives it a notice.
func send(t *testing.T, r wire.AlertReceiver, n alert.Notice) error {
	t.Helper()
	all, err := notify.Open([]wire.AlertReceiver{r})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return all[0].Send(ctx, n)
}

func TestAWebhookGetsTheIncident(t *testing.T) {
	url, bodies := posts(t, http.StatusNoContent)
	n := notice(alert.Fired)
	if err := send(t, wire.AlertReceiver{Name: "ops", Kind: "webhook", URL: url}, n); err != nil {
		t.Fatal(err)
	}
	var got notify.Message
	if err := json.Unmarshal([]byte(<-bodies), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(notify.Message{Version: 1, Kind: "firing", Receiver: "ops", Alert: n.Alert}, got); d != "" {
		t.Error(d)
	}
}

func TestSlackGetsAText(t *testing.T) {
	url, bodies := posts(t, http.StatusOK)
	t.Setenv("SLACK_URL", url)
	n := notice(alert.Over)
	n.Alert.Ended = 1_700_000_060_000
	if err := send(t, wire.AlertReceiver{Name: "chat", Kind: "slack", URL: "env:SLACK_URL"}, n); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(<-bodies), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"text": "*[resolved] worker-lost (3)*\nworker w&lt;1&gt; is lost &amp; gone. Start it again\n\n" +
		"since 2023-11-14 22:13:20 UTC\nover since 2023-11-14 22:14:20 UTC"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestErrorsTellNoSecret(t *testing.T) {
	refusing, _ := posts(t, http.StatusForbidden)
	file := filepath.Join(t.TempDir(), "url")
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, url := range map[string]string{
		"it answered 403": refusing + "/hunter2", "connection refused": closed.URL + "/hunter2",
		"cannot be used": "http://hunter2 \x7f", "unsupported protocol": "hunter2://x",
	} {
		if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := send(t, wire.AlertReceiver{Name: "chat", Kind: "slack", URL: "file:" + file}, notice(alert.Fired))
		if err == nil || !strings.Contains(err.Error(), name) && name != "unsupported protocol" || strings.Contains(err.Error(), "/hunter2") || strings.Contains(err.Error(), "hunter2:") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSecretsThatAreNotThereAreNamedAtTheStart(t *testing.T) {
	t.Setenv("EMPTY", "")
	_, err := notify.Open([]wire.AlertReceiver{
		{Name: "a", Kind: "slack", URL: "env:EMPTY"},
		{Name: "b", Kind: "email", Secret: "file:/nowhere/at/all"},
	})
	if err == nil || !strings.Contains(err.Error(), "alerts.receivers[0].url: env:EMPTY is empty") ||
		!strings.Contains(err.Error(), "alerts.receivers[1].password: read file:/nowhere/at/all") {
		t.Errorf("got %v", err)
	}
}

// mailbox is a mail server of a few words. It answers what a password is refused with.
type mailbox struct {
	addr  string
	mails chan string
}

func newMailbox(t *testing.T, auth string) *mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailbox{addr: l.Addr().String(), mails: make(chan string, 10)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.talk(c, auth)
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return m
}

func (m *mailbox) talk(c net.Conn, auth string) {
	defer c.Close() //nolint:errcheck // tests
	r := bufio.NewReader(c)
	fmt.Fprint(c, "220 test\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch word := strings.ToUpper(line[:min(4, len(line))]); word {
		case "EHLO":
			fmt.Fprint(c, "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n")
		case "AUTH":
			fmt.Fprint(c, auth+"\r\n")
		case "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			var text strings.Builder
			for line != ".\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
				text.WriteString(line)
			}
			m.mails <- text.String()
			fmt.Fprint(c, "250 ok\r\n")
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func TestMailIsSent(t *testing.T) {
	m := newMailbox(t, "")
	err := send(t, wire.AlertReceiver{
		Name: "mail", Kind: "email", Server: m.addr, From: "cohort@example.org", To: []string{"a@example.org", "b@example.org"}, NoTLS: true,
	}, notice(alert.Fired))
	if err != nil {
		t.Fatal(err)
	}
	got := <-m.mails
	for _, part := range []string{
		"Subject: cohort: [firing] worker-lost (3)\r\n", "From: <cohort@example.org>\r\n", "<a@example.org>, <b@example.org>\r\n",
		"worker w<1> is lost & gone. Start it again\r\n", "since 2023-11-14 22:13:20 UTC\r\n", `"cohort alert ack al-1"`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
}

func TestMailNeedsEncryptionAndTellsNoPassword(t *testing.T) {
	m := newMailbox(t, "535 hunter2 is wrong")
	r := wire.AlertReceiver{Name: "mail", Kind: "email", Server: m.addr, From: "c@example.org", To: []string{"a@example.org"}}
	if err := send(t, r, notice(alert.Fired)); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("without encryption: %v", err)
	}
	t.Setenv("MAIL_PASSWORD", "hunter2")
	r.User, r.Secret, r.NoTLS = "joe", "env:MAIL_PASSWORD", true // the library sends PLAIN in the clear to loopback alone
	if err := send(t, r, notice(alert.Fired)); err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a wrong password: %v", err)
	}
	if len(m.mails) != 0 {
		t.Error("a mail was sent")
	}
}

func TestAMuteMailServerIsNotWaitedForLong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // tests
	all, err := notify.Open([]wire.AlertReceiver{{
		Name: "mail", Kind: "email", Server: l.Addr().String(), From: "c@example.org", To: []string{"a@example.org"}, NoTLS: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := all[0].Send(ctx, notice(alert.Fired)); err == nil {
		t.Error("a mail was sent to nobody")
	}
}

// fickle fails so many times, then takes notices.
type fickle struct {
	mu    sync.Mutex
	fails int
	hang  bool
	got   []string
}

func (f *fickle) Send(ctx context.Context, n alert.Notice) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.fails > 0 {
		f.fails--
		return errors.New("not now")
	}
	f.got = append(f.got, n.Alert.ID+" "+string(n.Kind))
	return nil
}

func (f *fickle) taken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.got...)
}

func TestACourierTriesAgainAndAReceiverThatHangsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		good, bad := &fickle{fails: 3}, &fickle{hang: true}
		c := notify.Start(ctx, []notify.Named{{Receiver: good, Name: "good"}, {Receiver: bad, Name: "bad"}}, slog.New(slog.DiscardHandler))
		due := func(id string, kind alert.Kind, after int64) []alert.Notice {
			var all []alert.Notice
			for _, r := range c.Receivers() {
				n := notice(kind)
				n.Receiver, n.Alert.ID, n.After, n.At = r, id, after, time.Now().UnixMilli()
				all = append(all, n)
			}
			return all
		}
		for range 6 { // a leader says each second what is due
			c.Sync(due("one", alert.Fired, 0))
			<-time.After(time.Second)
		}
		if got := good.taken(); len(got) != 0 {
			t.Errorf("%v before the pauses of 1, 2 and 4 s", got)
		}
		for range 4 {
			c.Sync(due("one", alert.Fired, 0))
			<-time.After(time.Second)
		}
		if d := cmp.Diff([]string{"one firing"}, good.taken()); d != "" {
			t.Errorf("decided before it was told, and told again: %s", d)
		}
		told := c.Told()
		at := told["good"]["one"]
		if at == 0 || len(told["bad"]) != 0 {
			t.Errorf("told %v", told)
		}
		c.Sync(due("one", alert.Over, at))
		c.Kept(wire.Told{ID: "one", Receiver: "good", At: at})
		<-time.After(time.Second)
		if d := cmp.Diff([]string{"one firing", "one resolved"}, good.taken()); d != "" {
			t.Error(d)
		}
		c.Sync(nil) // out of office
		<-time.After(time.Hour)
		if d := cmp.Diff([]string{"one firing", "one resolved"}, good.taken()); d != "" {
			t.Error(d)
		}
		held := due("two", alert.Over, 0)
		held[0].Held = true
		c.Sync(held[:1])
		if got := c.Told()["good"]["two"]; got != held[0].At {
			t.Errorf("what a silence held back is told at %d", got)
		}
		cancel()
		c.Wait()
	})
}
