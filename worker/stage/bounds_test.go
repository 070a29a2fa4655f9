package stage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
)

// A run sees the events of its own bounds, and is judged by its own time, also
// where nothing was new and the extraction is that of a run before.
func TestARunIsJudgedByItsOwnTime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	text := "user,skill,correct,time\n"
	for k := range 40 {
		text += fmt.Sprintf("u%d,s%d,%d,2026-01-%02d 10:00:00\n", k%4, k%3, k%2, 1+k/2)
	}
	columns := wire.Columns{Student: "user", Skill: "skill", Correct: wire.Correct{Column: "correct"}, Time: "time"}
	// The bench's runs are for the time 0: as of a run that was long before.
	extracted, err := b.run(wire.StageExtract, wire.ExtractSettings{ImportSettings: wire.ImportSettings{Name: "g", File: "g.csv", Columns: columns}},
		map[string]string{"events": b.put(text)})
	if err != nil {
		t.Fatal(err)
	}
	at := func(day int) int64 { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC).UnixMicro() }
	s := wire.ValidateSettings{Name: "g", Spec: wire.ValidateSpec{Completeness: 0.95, Skew: "1h", Freshness: "48h"}, Columns: columns, From: at(11), To: at(15)}
	r, err := b.run(wire.StageValidate, s, extracted.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	err = lake.ReadEvents(t.Context(), b.env.Blobs, r.Outputs["dataset"], func(e dataplane.Event) error {
		if events++; e.Time < at(11) || e.Time >= at(15) {
			t.Errorf("an event of %v", time.UnixMicro(e.Time).UTC())
		}
		return nil
	})
	if err != nil || events != 8 {
		t.Errorf("%d events, %v; want those of four days", events, err)
	}
	s.To = at(27)
	if _, err := b.run(wire.StageValidate, s, extracted.Outputs); !isGate(err, "freshness") {
		t.Errorf("six days after the last event: %v", err)
	}
	s.From, s.To = at(20), 0
	if r, err = b.run(wire.StageValidate, wire.ValidateSettings{Name: "g", Columns: columns, From: s.From}, extracted.Outputs); err != nil || r.Dataset.Events != 2 {
		t.Errorf("from the 20th on: %+v, %v", r.Dataset, err)
	}
}

func isGate(err error, name string) bool {
	gate, ok := errors.AsType[*GateError](err)
	return ok && strings.Contains(gate.Text, name)
}
