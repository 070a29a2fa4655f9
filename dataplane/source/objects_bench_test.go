package source

import (
	"testing"

	"cohort/dataplane/lake"
)

func BenchmarkReadLake(b *testing.B) {
	rows := answers(1_000_000)
	for format, encode := range map[string]func(testing.TB, []answer) []byte{
		"parquet": func(t testing.TB, rows []answer) []byte { return parquetBytes(t, rows) }, "csv": csvBytes,
	} {
		b.Run(format, func(b *testing.B) {
			dir := b.TempDir()
			days, of := byDay(rows)
			for _, day := range days {
				put(b, dir, "day="+day+"/part-0."+format, encode(b, of[day]))
			}
			l := openLake(b, dir, "")
			plan, _, err := l.Plan(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				events := lake.NewEvents()
				r := &Reader{Mapper: NewMapper(lakeColumns(), NewMasker([]byte("k")), Bounds{}), Emit: events.Add}
				if err := l.Read(b.Context(), plan, r); err != nil {
					b.Fatal(err)
				}
				n += events.Len()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
