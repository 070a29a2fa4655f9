package quality_test

import (
	"testing"

	"cohort/dataplane/lake"
	"cohort/dkt/simulate"
)

// The same events give the same bytes on every machine. Other bytes are another
// output of the stage: raise its version with these hashes.
func TestReportAndProfileKeepTheirBytes(t *testing.T) {
	all := school(t, simulate.Config{Students: 1500, Skills: 30, Answers: 40, Seed: 8}, 12)
	_, accepted := weekly(t, all, start.AddDate(0, 0, 70), nil)
	r, p := weekly(t, all, start.AddDate(0, 0, 77), accepted)
	report, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"report":  {report, "28918dc19ba4dbbd16ad61799ae4a7ed20f5960c8819743d0e95a051b3290344"},
		"profile": {profile, "0d7c61d2374530936fe01cd159fe12b2390c1d9e6d579d433b9128e76e811e62"},
	} {
		if got := lake.Hash(c.data); got != c.want {
			t.Errorf("%s: %s, want %s\n%.2000s", name, got, c.want, c.data)
		}
	}
}
