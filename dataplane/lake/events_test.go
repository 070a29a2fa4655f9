package lake

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cohort/dataplane"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What is collected comes back, whatever the texts' lengths.
func TestEventsComeBack(t *testing.T) {
	text := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 5, 20), rapid.Map(rapid.IntRange(1, 3), func(n int) string {
		return strings.Repeat("x", n*arenaBlock/2)
	}))
	rapid.Check(t, func(t *rapid.T) {
		e := NewEvents()
		var want [dataplane.Parts][]dataplane.Event
		for k := range rapid.IntRange(0, 30).Draw(t, "events") {
			v := dataplane.Event{
				Student: fmt.Sprintf("%032x", k%7), Time: rapid.Int64().Draw(t, "time"), ID: text.Draw(t, "id"),
				Item: rapid.StringN(0, 3, 12).Draw(t, "item"), Skill: rapid.StringN(0, 3, 12).Draw(t, "skill"), Correct: rapid.Bool().Draw(t, "correct"),
			}
			if err := e.Add(v); err != nil {
				t.Fatal(err)
			}
			part := dataplane.StudentShard(v.Student, dataplane.Parts)
			want[part] = append(want[part], v)
		}
		n := 0
		for k := range want {
			if d := cmp.Diff(want[k], slices.Clip(e.part(k))); d != "" && len(want[k]) > 0 {
				t.Fatalf("part %d: %s", k, d)
			}
			n += len(want[k])
		}
		if e.Len() != n {
			t.Fatalf("%d events, want %d", e.Len(), n)
		}
	})
}

func TestChunksGrowWithoutLoss(t *testing.T) {
	var c chunks[int]
	for k := range 3*chunkLen + 5 {
		c.add(k)
	}
	next := 0
	for v := range c.all {
		if v != next {
			t.Fatalf("%d in the place of %d", v, next)
		}
		next++
	}
	if next != 3*chunkLen+5 || c.n != next {
		t.Errorf("%d of %d", next, c.n)
	}
}
