package lake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"cohort/dataplane"
	"cohort/dataplane/lake"
)

// counted counts the blobs that are opened.
type counted struct {
	lake.Blobs
	got []string
}

func (c *counted) Get(ctx context.Context, hash string) (io.ReadCloser, error) {
	c.got = append(c.got, hash)
	return c.Blobs.Get(ctx, hash)
}

// grade is a row of the test's table.
type grade struct {
	student, skill string
	n              int64
	x              float64
}

func gradeTable(rows []grade) *dataplane.Table {
	t := &dataplane.Table{Columns: []dataplane.Column{
		{Name: "student", Kind: dataplane.KindText},
		{Name: "skill", Kind: dataplane.KindText},
		{Name: "n", Kind: dataplane.KindInt},
		{Name: "x", Kind: dataplane.KindFloat},
	}}
	for _, r := range rows {
		t.Columns[0].Texts = append(t.Columns[0].Texts, r.student)
		t.Columns[1].Texts = append(t.Columns[1].Texts, r.skill)
		t.Columns[2].Ints = append(t.Columns[2].Ints, r.n)
		t.Columns[3].Floats = append(t.Columns[3].Floats, r.x)
	}
	return t
}

// gradeSet stores rows, which are sorted, as a feature set.
func gradeSet(t interface{ Fatal(...any) }, b lake.Blobs, rows []grade) (*lake.FeatureSet, string) {
	s := &lake.FeatureSet{Code: 1, Dataset: "d", Mask: "m"}
	grades := s.NewTable("grades", []string{"student", "skill"}, gradeTable(nil))
	for k := range dataplane.Parts {
		part := slices.DeleteFunc(slices.Clone(rows), func(r grade) bool { return dataplane.StudentShard(r.student, dataplane.Parts) != k })
		if err := grades.Write(context.Background(), b, gradeTable(part)); err != nil {
			t.Fatal(err)
		}
	}
	id, err := lake.WriteFeatures(context.Background(), b, s)
	if err != nil {
		t.Fatal(err)
	}
	return s, id
}

func drawGrades(t *rapid.T) []grade {
	all := map[string]grade{}
	for range rapid.IntRange(0, 15).Draw(t, "rows") {
		g := grade{
			student: rapid.SampledFrom([]string{"a1", "a1x", "b2", "a", "c"}).Draw(t, "student"), // few parts: each costs skill: rapid.SampledFrom([]string{"", "s", "t"}).Draw(t, "skill"),
			n:       rapid.Int64().Draw(t, "n"), x: rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(-1), math.Copysign(0, -1), 5e-324})).Draw(t, "x"),
		}
		all[g.student+"/"+g.skill] = g
	}
	var rows []grade
	for _, g := range all {
		rows = append(rows, g)
	}
	slices.SortFunc(rows, func(a, b grade) int {
		return slices.Compare([]string{a.student, a.skill}, []string{b.student, b.skill})
	})
	return rows
}

func TestTablesKeepEveryBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, rows := lake.NewMemory(), drawGrades(t)
		s, id := gradeSet(t, b, rows)
		if len(rows) < 6 { // writing is what takes long here
			if _, again := gradeSet(t, b, rows); again != id {
				t.Fatal("the same rows have two IDs")
			}
		}
		got, err := lake.ReadFeatureSet(context.Background(), b, id)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
		if got.Table("grades").Rows != int64(len(rows)) || got.Table("other") != nil {
			t.Fatalf("tables %+v", got.Tables)
		}
		for student := range map[string]bool{"a1": true, "b2": true, "stranger": true} {
			var want []grade
			for _, r := range rows {
				if r.student == student {
					want = append(want, r)
				}
			}
			c := &counted{Blobs: b}
			found, err := lake.FeaturesOf(context.Background(), c, got, student)
			if err != nil || len(found) != 1 || found[0].Name != "grades" {
				t.Fatalf("%+v, %v", found, err)
			}
			if d := cmp.Diff(gradeTable(want), found[0].Rows, exactly(), cmpopts.EquateEmpty()); d != "" {
				t.Fatal(d)
			}
			if len(c.got) > 1 {
				t.Fatalf("%d blobs read for one student", len(c.got))
			}
		}
	})
}

// exactly compares floats by their bits, NaNs as one.
func exactly() cmp.Option {
	return cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b })
}

func TestDiffCountsRowsAndColumns(t *testing.T) {
	b := lake.NewMemory()
	x, _ := gradeSet(t, b, []grade{{"a", "s", 1, 1}, {"b", "s", 2, 2}, {"b", "t", 3, 3}, {"c", "s", 4, math.NaN()}, {"e", "s", 9, 1}})
	y, _ := gradeSet(t, b, []grade{{"a", "s", 1, 1}, {"b", "s", 5, 2.5}, {"c", "s", 5, 7}, {"d", "s", 6, 6}, {"e", "s", 9, 2}})
	c := &counted{Blobs: b}
	got, err := lake.Diff(t.Context(), c, x, y)
	if err != nil {
		t.Fatal(err)
	}
	n, f := 2.0, 0.75
	want := []lake.TableDiff{{Name: "grades", Added: 1, Removed: 1, Changed: 3, Same: 1, Columns: []lake.ColumnDiff{
		{Name: "n", Changed: 2, MeanDifference: &n}, {Name: "x", Changed: 3, MeanDifference: &f},
	}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(c.got) == 0 || slices.Contains(c.got, x.Table("grades").Parts[dataplane.StudentShard("a", dataplane.Parts)].Hash) {
		t.Errorf("read %v: the part of a is the same in both", c.got)
	}
	same, err := lake.Diff(t.Context(), b, x, x)
	if err != nil || same[0].Same != 5 || same[0].Added+same[0].Removed+same[0].Changed != 0 || len(same[0].Columns) != 0 {
		t.Errorf("%+v, %v", same, err)
	}
	// Tables and columns that only one set has.
	z := &lake.FeatureSet{}
	wide := gradeTable([]grade{{"a", "s", 1, 1}})
	wide.Columns[2].Name = "m"
	if err := z.NewTable("grades", []string{"student", "skill"}, wide).Write(t.Context(), b, wide); err != nil {
		t.Fatal(err)
	}
	for len(z.Table("grades").Parts) < dataplane.Parts {
		z.Table("grades").Keep(lake.TablePart{})
	}
	z.Tables = append(z.Tables, lake.FeatureTable{Name: "items", Rows: 4})
	got, err = lake.Diff(t.Context(), b, x, z)
	if err != nil || len(got) != 2 || got[1].Added != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	if d := cmp.Diff([]string{"n a", "m b"}, []string{got[0].Columns[0].Name + " " + got[0].Columns[0].Only, got[0].Columns[1].Name + " " + got[0].Columns[1].Only}); d != "" {
		t.Error(d)
	}
}

func TestWrongFeatureSetsAreRefused(t *testing.T) {
	b := lake.NewMemory()
	s, _ := gradeSet(t, b, []grade{{"a", "s", 1, 1}})
	for name, change := range map[string]func(*lake.FeatureTable){
		"parts": func(t *lake.FeatureTable) { t.Parts = t.Parts[:3] },
		"keys":  func(t *lake.FeatureTable) { t.Keys = []string{"student", "n"} },
		"none":  func(t *lake.FeatureTable) { t.Keys = nil },
		"many":  func(t *lake.FeatureTable) { t.Keys = []string{"student", "skill", "n", "x", "y"} },
	} {
		wrong := *s
		wrong.Tables = slices.Clone(s.Tables)
		change(&wrong.Tables[0])
		if _, err := lake.WriteFeatures(t.Context(), b, &wrong); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	for name, text := range map[string]string{
		"version": `{"version":7}`, "json": `{`, "parts": `{"version":1,"tables":[{"name":"t","keys":["student"],"columns":[{"name":"student","type":"string"}]}]}`,
	} {
		id, err := lake.Write(t.Context(), b, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lake.ReadFeatureSet(t.Context(), b, id); !errors.Is(err, lake.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := lake.ReadFeatureSet(t.Context(), b, lake.Hash([]byte("gone"))); !errors.Is(err, lake.ErrNotFound) {
		t.Error(err)
	}
	// A manifest that promises other columns, rows or types than its files have.
	k := dataplane.StudentShard("a", dataplane.Parts)
	for name, change := range map[string]func(*lake.FeatureTable){
		"columns": func(t *lake.FeatureTable) { t.Columns[2].Name = "other" },
		"type":    func(t *lake.FeatureTable) { t.Columns[2].Type = "float64" },
		"unknown": func(t *lake.FeatureTable) { t.Columns[2].Type = "date" },
		"rows":    func(t *lake.FeatureTable) { t.Parts[k].Rows = 2 },
	} {
		table := s.Tables[0]
		table.Columns, table.Parts = slices.Clone(table.Columns), slices.Clone(table.Parts)
		change(&table)
		if _, err := table.Read(t.Context(), b, k); !errors.Is(err, lake.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	odd := gradeTable([]grade{{"a", "s", 1, 1}})
	odd.Columns[2].Ints = append(odd.Columns[2].Ints, 2)
	if err := s.NewTable("odd", []string{"student"}, odd).Write(t.Context(), b, odd); err == nil {
		t.Error("columns of two lengths are written")
	}
	if err := s.Table("odd").Write(t.Context(), b, &dataplane.Table{}); err == nil {
		t.Error("other columns are written")
	}
}

// Damaged files are told, or read as they are; nothing panics.
func FuzzDamagedTable(f *testing.F) {
	b := lake.NewMemory()
	s, _ := gradeSet(f, b, []grade{{"a", "s", 1, 1}, {"a", "t", 2, 3}})
	k := dataplane.StudentShard("a", dataplane.Parts)
	table := s.Tables[0]
	whole, err := lake.Read(f.Context(), b, table.Parts[k].Hash)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, byte(1))
	f.Add(len(whole)-9, byte(0xff))
	f.Add(len(whole)/2, byte(3))
	f.Add(523, byte('W'))  // a column of a length below zero, over which the library panics in a goroutine
	f.Add(812, byte(0xf9)) // the library reads no row of it, and says nothing
	f.Fuzz(func(t *testing.T, at int, flip byte) {
		data := bytes.Clone(whole)
		data[(at%len(data)+len(data))%len(data)] ^= flip
		hash, err := lake.Write(t.Context(), b, data)
		if err != nil {
			t.Fatal(err)
		}
		damaged := table
		damaged.Parts = slices.Clone(table.Parts)
		damaged.Parts[k].Hash = hash
		rows, err := damaged.Read(t.Context(), b, k)
		if err == nil && (rows.Check() != nil || rows.Rows() != 2) {
			t.Errorf("%d rows are read of two", rows.Rows())
		}
	})
}

func TestAStudentsEventsComeFromOnePart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, all := lake.NewMemory(), map[string][]dataplane.Event{}
		events := lake.NewEvents()
		for k := range rapid.IntRange(0, 60).Draw(t, "events") {
			e := dataplane.Event{Student: rapid.StringMatching(`[ab][0-9]`).Draw(t, "student"), Time: int64(k), Item: fmt.Sprint(k), Skill: "s", Elapsed: int64(k)}
			all[e.Student] = append(all[e.Student], e)
			if err := events.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		m, _, err := lake.WriteDataset(context.Background(), b, events, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, student := range []string{"a1", "b5", "a0", "zzz"} {
			c := &counted{Blobs: b}
			var got []dataplane.Event
			err := m.ReadStudent(context.Background(), c, student, func(e dataplane.Event) error {
				got = append(got, e)
				return nil
			})
			if d := cmp.Diff(all[student], got); d != "" || err != nil || len(c.got) > 1 {
				t.Fatalf("%v, %d blobs: %s", err, len(c.got), d)
			}
		}
		stop := errors.New("enough")
		if err := m.ReadStudent(context.Background(), b, "a1", func(dataplane.Event) error { return stop }); len(all["a1"]) > 0 && !errors.Is(err, stop) {
			t.Fatal(err)
		}
	})
}
