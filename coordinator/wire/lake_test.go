package wire_test

import (
	"strings"
	"testing"

	"cohort/coordinator/wire"
)

// A URL of a lake is kept with the job, so no secret may get in by it.
func TestAURLOfALakeHoldsNoSecret(t *testing.T) {
	t.Parallel()
	const head = "name: n\nkind: pipeline\n"
	lake := func(url string) string { return "source: {kind: lake, lake: {url: '" + url + "'}}\n" }
	for name, c := range map[string]struct{ text, want string }{
		"folder":    {lake("/lake/attempts?x"), ""},
		"s3":        {lake("s3://b/p?region=eu-central-1&endpoint=http://h:1&use_path_style=true"), ""},
		"gs":        {lake("gs://b/p?anonymous=true"), ""},
		"login":     {lake("s3://joe:hunter2@b/p"), "source.lake.url holds an @: a URL names no login"},
		"key":       {lake("s3://b/p?secret_access_key=hunter2"), "source.lake.url has a parameter that is unknown; known: region, endpoint"},
		"of_s3":     {lake("gs://b/p?region=hunter2"), "source.lake.url has a parameter that is unknown; known: anonymous"},
		"of_a_file": {lake("file:///b?key=hunter2"), "source.lake.url has a parameter that is unknown; known: none"},
		"malformed": {lake("s3://b/p?region=%hunter2"), "source.lake.url is no URL: its parameters are not well formed"},
		"scheme":    {lake("ftp://b/p"), `source.lake.url "ftp" is unknown; known: file, s3, gs`},
		"no_url":    {"source: {kind: lake}\n", "source.lake.url is missing: a folder"},
		"no_source": {"", "data.events is missing: name a CSV file, or write a source: kafka, postgres, lake or attempts"},
	} {
		_, err := wire.ParseSpec("job.yaml", []byte(head+c.text))
		switch {
		case c.want == "":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}
