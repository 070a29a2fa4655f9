package cli

import (
	"strings"
	"testing"
)

// What is printed can be pasted into a shell, whatever skills are called.
func TestRequestsArePrintedAsAShellTakesThem(t *testing.T) {
	t.Parallel()
	e := examples([]string{`it's <a> "b"`}, "")[0]
	want := `curl http://h:1/invocations -H 'Content-Type: application/json' -d '{"instances":[{"skills":["it'\''s <a> \"b\"","it'\''s <a> \"b\"","it'\''s <a> \"b\""],"correct":[0,1,1]}],"params":{"skills":["it'\''s <a> \"b\""],"output":"named"}}'`
	if got := e.curl("http://h:1"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = `curl 'http://h:1/v1/students/ada/attempts?model=a%26b' -H`
	if got := examples([]string{"1", "2"}, "a&b")[1].curl("http://h:1"); !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestALongAnswerKeepsItsEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"short": "short", "0123456789": "0123456789", "0123456789a": "012 … 89a", "éééééééééééé": "ééé … ééé",
	} {
		if got := shortened(text, 10); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
