package quality_test

import (
	"bytes"
	"errors"
	"testing"

	"cohort/dataplane/quality"
	"cohort/dkt/simulate"

	"github.com/google/go-cmp/cmp"
)

func TestAProfileComesBack(t *testing.T) {
	all := school(t, simulate.Config{Students: 300, Skills: 30, Answers: 40, Seed: 3}, 10)
	_, p := weekly(t, all, start.AddDate(0, 0, 77), nil)
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := quality.DecodeProfile(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Encode()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("another encoding, %v", err)
	}
	if d := cmp.Diff(quality.Compare(p, p), quality.Compare(back, back)); d != "" {
		t.Error(d)
	}
	if back.Whole.Of != 300 || len(back.Whole.Students) != 300 || back.Recent.Of < 100 || len(back.Skills) != 30 || !back.Clock {
		t.Errorf("%d of %d students, %d recent, skills %v", len(back.Whole.Students), back.Whole.Of, back.Recent.Of, back.Skills)
	}
}

// A profile is of the events alone: in which part a student stands leaves no trace.
func TestAProfileIsAFunctionOfItsEvents(t *testing.T) {
	all := population(t, simulate.Config{Students: 9000, Skills: 20, Answers: 2, Seed: 3})
	encode := func(all []history) []byte {
		_, p := check(t, quality.Input{}, all)
		if len(p.Whole.Students) != 4096 || p.Whole.Of != 9000 {
			t.Errorf("a sample of %d of %d", len(p.Whole.Students), p.Whole.Of)
		}
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	turned := append(append([]history{}, all[5000:]...), all[:5000]...)
	if a, b := encode(all), encode(turned); !bytes.Equal(a, b) {
		t.Error("the order of students shows in the profile")
	}
}

func TestDamagedProfilesAreRefused(t *testing.T) {
	_, p := check(t, quality.Input{}, []history{log(100)})
	good, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"version":1`, `"version":2`},
		{`"name":"0"`, `"name":"9"`},
		{`"size":10`, `"size":11`},
		{`"size":10`, `"size":9`},
		{`"of":10`, `"of":9`},
		{`"right":14`, `"right":99`},
		{`"at":0`, `"at":-1`},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("no %s in %s", change[0], good)
		}
		if _, err := quality.DecodeProfile(bad); !errors.Is(err, quality.ErrProfile) {
			t.Errorf("%s: %v", change[1], err)
		}
	}
}
