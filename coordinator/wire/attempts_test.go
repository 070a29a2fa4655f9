package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheAttemptLogHasColumnsOfItsOwn(t *testing.T) {
	const text = "name: school\nkind: pipeline\nsource:\n  kind: attempts\n"
	s, err := ParseSpec("job.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(AttemptColumns(), s.Data.Columns); d != "" {
		t.Error(d)
	}
	if _, err := ParseSpec("job.yaml", []byte(text+"data:\n  columns:\n    student: student\n    time_unit: us\n")); err != nil {
		t.Errorf("the same columns, written out: %v", err)
	}
	_, err = ParseSpec("job.yaml", []byte(text+"data:\n  columns:\n    student: user\n"))
	if err == nil || !strings.Contains(err.Error(), "data.columns.student") {
		t.Errorf("another column: %v", err)
	}
}
