package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dataplane/source"
)

// featureFake is a cluster with one pipeline's feature set, masked under key.
func featureFake(t *testing.T, key string) (f *fake, url, student string) {
	t.Helper()
	m := source.NewMasker([]byte(key))
	student = m.Mask("ann")
	set := wire.FeatureSet{ID: "f1", Name: "weekly", Dataset: "d1", Cut: 1_700_438_400_000_000, Students: 1234, Items: 56, Job: "j1"}
	mean := 0.25
	f, url = newFake(t, map[string][]any{
		"GET /v1/features": {[]wire.FeatureSet{set}},
		"GET /v1/features/f1": {wire.FeatureSetView{
			FeatureSet: set, Code: 1, Mask: m.Fingerprint(), Events: 98765, Recent: 10, GapSeconds: 1800, AbilitySD: 1.5, FitStudents: 1000, FitIterations: 12,
			Tables: []wire.FeatureTable{{Name: "users", Keys: []string{"student"}, Rows: 1234, Bytes: 2048, Columns: []wire.FeatureColumn{{Name: "student", Type: "string"}, {Name: "answers", Type: "int64"}}}},
		}},
		"GET /v1/features/f1/students/" + student: {wire.StudentFeatures{
			Set: "f1", Student: student, Cut: set.Cut, Stored: true,
			Tables: []wire.FeatureRows{
				{Name: "users", Columns: []string{"student", "answers", "accuracy", "spacing_time"}, Rows: [][]any{{student, 1_700_438_400_000_000, 2.0 / 3, nil}}},
				{Name: "skills", Columns: []string{"student", "skill", "attempts"}, Rows: [][]any{{student, "a", 2}, {student, "b\nc", 1}}},
			},
			Events: []wire.FeatureEvent{{Time: 1_700_438_399_000_000, Item: "i", Skill: "a", Correct: true, ElapsedMS: 1500}, {Time: 7_000_000, Skill: "b"}},
		}},
		"GET /v1/features/diff": {wire.FeatureDiff{A: set, B: set, Tables: []wire.FeatureTableDiff{
			{Name: "users", Added: 1, Removed: 2, Changed: 3000, Same: 4, Columns: []wire.FeatureColumnDiff{{Name: "accuracy", Changed: 3000, MeanDifference: &mean}, {Name: "old", Only: "a"}, {Name: "history", Changed: 7}}},
		}}},
	})
	return f, url, student
}

func TestFeatureReads(t *testing.T) {
	t.Parallel()
	_, url, student := featureFake(t, source.DefaultMaskKey)
	users := `student ` + student + `, before 2023-11-20T00:00:00Z, as stored in the set

FEATURE       VALUE
answers       1700438400000000
accuracy      0.66667
spacing_time  -

SKILL  ATTEMPTS
a      2
b c    1

TIME                  ITEM  SKILL  ANSWER  RESPONSE TIME
2023-11-19T23:59:59Z  i     a      right   1.5s
7000000               -     b      wrong   -
`
	for _, c := range []struct{ line, want string }{
		{"feature list", "ID  PIPELINE  STUDENTS  ITEMS  CUT                          JOB  MADE\nf1  weekly    1,234     56     before 2023-11-20T00:00:00Z  j1   -\n"},
		{"feature list -q --all", "f1\n"},
		{"feature get ann", users},
		{"feature get --set f1 --events 2 " + student, users},
		{"feature diff f1 weekly", "TABLE  ADDED  REMOVED  CHANGED  SAME\nusers  1      2        3,000    4\n\nTABLE  COLUMN    CHANGED  MEAN DIFFERENCE (B − A)\nusers  accuracy  3,000    +0.25\nusers  old       0        only in a\nusers  history   7        -\n"},
	} {
		o := cohort(t, "", nil, append(strings.Fields(c.line), "--addr", url)...)
		if d := cmp.Diff(c.want, o.out); d != "" || o.code != 0 {
			t.Errorf("%s: %+v\n%s", c.line, o, d)
		}
	}
	o := cohort(t, "", nil, "feature", "show", "f1", "--addr", url)
	for _, part := range []string{"98,765", "30m0s", "not converged", "clock", "times only order answers", "2.0 KiB", "answers"} {
		if !strings.Contains(o.out, part) {
			t.Errorf("show lacks %q:\n%s", part, o.out)
		}
	}
	for line, into := range map[string]any{
		"list": &[]wire.FeatureSet{}, "show f1": &wire.FeatureSetView{}, "get ann": &wire.StudentFeatures{}, "diff f1 f1": &wire.FeatureDiff{},
	} {
		o := cohort(t, "", nil, append(append([]string{"feature"}, strings.Fields(line)...), "-o", "json", "--addr", url)...)
		if err := json.Unmarshal([]byte(o.out), into); err != nil || o.code != 0 || !strings.Contains(o.out, "f1") {
			t.Errorf("%s: %+v, %v", line, o, err)
		}
	}
}

func TestAStudentIsMaskedHere(t *testing.T) {
	t.Parallel()
	f, url, student := featureFake(t, "a school's key")
	file := write(t, "key", "a school's key\n")
	env := []string{"SCHOOL_KEY=a school's key", "OTHER=another key"}
	for _, ref := range []string{"env:SCHOOL_KEY", "file:" + file} {
		o := cohort(t, "", env, "feature", "get", "ann", "--key", ref, "--addr", url)
		if o.code != 0 || !strings.Contains(o.out, student) || strings.Contains(o.out+o.err, "ann") {
			t.Errorf("%s: %+v", ref, o)
		}
	}
	for name, c := range map[string]struct {
		args []string
		code int
		part string
	}{
		"no_key":      {[]string{"ann"}, 2, "--key env:NAME or file:PATH"},
		"other_key":   {[]string{"ann", "--key", "env:OTHER"}, 2, "another key"},
		"no_variable": {[]string{"ann", "--key", "env:NONE"}, 2, "NONE"},
		"no_file":     {[]string{"ann", "--key", "file:/no/such"}, 2, "/no/such"},
		"the_key":     {[]string{"ann", "--key", "a school's key"}, 2, "env:NAME"},
		"the_secret":  {[]string{"ann", "--key", "env:a school's key"}, 2, "env:NAME"},
		"stranger":    {[]string{"bob", "--key", "env:SCHOOL_KEY"}, 4, "unknown"},
		"at":          {[]string{student, "--at", "monday"}, 2, "--at"},
		"at_zero":     {[]string{student, "--at", "0"}, 2, "--at"},
		"events":      {[]string{student, "--events", "-1"}, 2, "--events"},
	} {
		o := cohort(t, "", env, append([]string{"feature", "get", "--addr", url}, c.args...)...)
		o.expect(t, c.code, c.part)
		o.oneLine(t)
		if strings.Contains(o.err, "a school's key") || strings.Contains(o.err, "ann ") {
			t.Errorf("%s: a secret or a student in %q", name, o.err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if asked := strings.Join(f.requests, "\n"); strings.Contains(asked, "ann") || strings.Contains(asked, "bob") {
		t.Errorf("a student's own id left the machine: %s", asked)
	}
}

func TestTheSetIsChosenWhenThereIsOne(t *testing.T) {
	t.Parallel()
	_, none := newFake(t, map[string][]any{"GET /v1/features": {[]wire.FeatureSet{}}})
	cohort(t, "", nil, "feature", "get", "ann", "--addr", none).expect(t, 4, "no pipeline has made features")
	_, two := newFake(t, map[string][]any{"GET /v1/features": {[]wire.FeatureSet{{Name: "daily"}, {Name: "weekly"}}}})
	cohort(t, "", nil, "feature", "get", "ann", "--addr", two).expect(t, 2, "--set is missing: one of daily, weekly")
}
