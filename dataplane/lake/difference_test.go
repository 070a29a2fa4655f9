package lake_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cohort/dataplane"
	"cohort/dataplane/lake"
)

func TestTheFirstEventThatDiffersIsNamed(t *testing.T) {
	t.Parallel()
	b := lake.NewMemory()
	var events []dataplane.Event
	for k := range 200 {
		events = append(events, dataplane.Event{
			Student: fmt.Sprintf("%032x", k%9), Time: int64(1000 * k), ID: fmt.Sprint("e", k), Item: "i", Skill: fmt.Sprint("s", k%4), Correct: k%3 == 0,
		})
	}
	write := func(events []dataplane.Event, mask string) string {
		all := lake.NewEvents()
		for _, e := range events {
			if err := all.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		_, id, err := lake.WriteDataset(t.Context(), b, all, mask)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	was := write(events, "m")
	if d, err := lake.FirstDifference(t.Context(), b, was, was); d != nil || err != nil {
		t.Errorf("a dataset and itself: %v, %v", d, err)
	}
	altered := slices.Clone(events)
	altered[77].Correct = !altered[77].Correct
	for name, c := range map[string]struct {
		is   string
		want string
	}{
		"altered": {write(altered, "m"), `event "e77" at 77000 µs of the student masked as ` + events[77].Student + ` was skill "s1", item "i", correct false, 0 ms; it is skill "s1", item "i", correct true`},
		"missing": {write(slices.Delete(slices.Clone(events), 50, 51), "m"), `event "e50" at 50000 µs of the student masked as ` + events[50].Student + " of 200 is missing"},
		"last":    {write(events[:199], "m"), `event "e199" at 199000 µs of the student masked as ` + events[199].Student + " of 200 is missing"},
		"new":     {write(append(slices.Clone(events), dataplane.Event{Student: events[0].Student, Time: 5, ID: "n", Skill: "s0"}), "m"), `event "n" at 5 µs of the student masked as ` + events[0].Student + " is new, there were 200"},
		"mask":    {write(events, "other"), "mask key"},
	} {
		d, err := lake.FirstDifference(t.Context(), b, was, c.is)
		if err != nil || d == nil || !strings.Contains(d.String(), c.want) {
			t.Errorf("%s: %v, %v; want %q", name, d, err, c.want)
		}
	}
	if _, err := lake.FirstDifference(t.Context(), b, was, strings.Repeat("0", 64)); err == nil {
		t.Error("a dataset that is not there was compared")
	}
	gone, came, err := lake.Differences(t.Context(), b, was, write(slices.Delete(slices.Clone(altered), 50, 51), "m"))
	wantGone, wantCame := []dataplane.Event{events[50], events[77]}, []dataplane.Event{altered[77]}
	if err != nil || len(gone) != 2 || !slices.Contains(gone, wantGone[0]) || !slices.Contains(gone, wantGone[1]) || !slices.Equal(came, wantCame) {
		t.Errorf("gone %v, came %v, %v", gone, came, err)
	}
	twice := append(slices.Clone(events), events[3])
	if gone, came, err := lake.Differences(t.Context(), b, was, write(twice, "m")); err != nil || len(gone) != 0 || !slices.Equal(came, events[3:4]) {
		t.Errorf("an event that is there twice: gone %v, came %v, %v", gone, came, err)
	}
	if gone, came, err := lake.Differences(t.Context(), b, was, was); err != nil || len(gone)+len(came) != 0 {
		t.Errorf("a dataset and itself: gone %v, came %v, %v", gone, came, err)
	}
	if _, _, err := lake.Differences(t.Context(), b, strings.Repeat("0", 64), was); err == nil {
		t.Error("a dataset that is not there was compared")
	}
}
