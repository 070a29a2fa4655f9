package wire

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// lakeParameters are what a URL of each scheme may say after its question mark.
// No parameter is a login: that one is the worker's environment's.
func lakeParameters(scheme string) []string {
	switch scheme {
	case "s3":
		return []string{
			"region", "endpoint", "profile", "role", "anonymous", "use_path_style", "s3ForcePathStyle", "disable_https",
			"hostname_immutable", "accelerate", "dualstack", "fips", "rate_limiter_capacity", "ssetype", "kmskeyid",
			"request_checksum_calculation", "response_checksum_validation", "awssdk",
		}
	case "gs":
		return []string{"anonymous"}
	default:
		return nil
	}
}

// checkLake never repeats a parameter's value: it may be a secret.
func (d *decoder) checkLake(l LakeSpec) {
	const path = "source.lake.url"
	m := scheme.FindStringSubmatch(l.URL)
	switch {
	case l.URL == "":
		d.at(path, "is missing: a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX")
		return
	case strings.Contains(l.URL, "@"):
		d.at(path, "holds an @: a URL names no login; the worker's environment does")
	}
	if m == nil {
		return
	}
	d.oneOf(path, m[1], "file", "s3", "gs")
	_, query, _ := strings.Cut(l.URL, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		d.at(path, "is no URL: its parameters are not well formed")
		return
	}
	known := lakeParameters(m[1])
	for name := range values {
		if !slices.Contains(known, name) {
			d.at(path, "has a parameter that is unknown; known: %s (a login is the worker's environment's)", cmp.Or(strings.Join(known, ", "), "none"))
			return
		}
	}
}
