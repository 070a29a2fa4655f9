package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	askWithin = 10 * time.Second // for the gateway to see who serves
	mostShown = 150              // characters of an answer
)

// example is a request to the gateway.
type example struct{ path, body string }

// scoring is a request for predictions: what a student answered, and of which
// skills P(correct) is asked, by name.
type scoring struct {
	Instances []answered `json:"instances"`
	Params    struct {
		Skills []string `json:"skills"`
		Output string   `json:"output"`
	} `json:"params"`
}

type answered struct {
	Skills  []string `json:"skills"`
	Correct []int    `json:"correct"`
}

// attempt is one answer as a client hands it in.
type attempt struct {
	ID      string `json:"id"`
	Skill   string `json:"skill"`
	Correct bool   `json:"correct"`
}

// examples ask for predictions from a history, and hand in an attempt. model names
// the one asked, where there are several.
func examples(skills []string, model string) []example {
	query := ""
	if model != "" {
		query = "?model=" + url.QueryEscape(model)
	}
	some := skills[:min(2, len(skills))]
	last := some[len(some)-1]
	q := scoring{Instances: []answered{{[]string{some[0], some[0], last}, []int{0, 1, 1}}}}
	q.Params.Skills, q.Params.Output = some, "named"
	return []example{
		{"/invocations" + query, compact(q)},
		{"/v1/students/ada/attempts" + query, compact(attempt{"ada-1", some[0], true})},
	}
}

// compact is v as JSON with skills' names as they are.
func compact(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of texts and numbers: never fails
	return strings.TrimSpace(b.String())
}

// curl is the command that asks the same.
func (e example) curl(base string) string {
	return fmt.Sprintf("curl %s -H 'Content-Type: application/json' -d %s", quoted(base+e.path), shellWord(e.body))
}

// quoted is a URL as a shell takes it; one with a query in quotes.
func quoted(u string) string {
	if strings.Contains(u, "?") {
		return shellWord(u)
	}
	return u
}

// shellWord puts a word in single quotes.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// ask sends an example to the gateway and shows it with its answer. A gateway whose
// table is a moment old is asked again.
func (d *demonstration) ask(ctx context.Context, e example) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	for {
		answer, err := post(ctx, d.url+e.path, e.body)
		if err == nil {
			d.asked = append(d.asked, asked{e.curl(d.url), answer})
			if d.format != "json" {
				d.printf("\n%s\n%s\n", e.curl(d.url), shortened(string(answer), mostShown))
			}
			return nil
		}
		if pause(ctx, followEvery/10) != nil {
			return err
		}
	}
}

// post answers what the gateway says to a request.
func post(ctx context.Context, url, body string) (json.RawMessage, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	asker := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := asker.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if answer = bytes.TrimSpace(answer); r.StatusCode != http.StatusOK || !json.Valid(answer) {
		return nil, fmt.Errorf("%s answers %s: %s", url, r.Status, oneLine(string(answer)))
	}
	return answer, nil
}

// shortened leaves the middle of a long text out: both its ends say something.
func shortened(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	half := (most - 3) / 2
	return string(r[:half]) + " … " + string(r[len(r)-half:])
}
