package bench

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt/simulate"
)

// Data measures the data plane on a simulated log, in memory: reading a CSV,
// writing the dataset as Parquet, cutting shards, decoding them. One core each.
func Data(c simulate.Config) ([]Scenario, error) {
	var text bytes.Buffer
	stats, err := simulate.WriteCSV(&text, c)
	if err != nil {
		return nil, err
	}
	p := &pipeline{blobs: lake.NewMemory(), mask: source.NewMasker(nil)}
	steps := []struct {
		name string
		f    func(context.Context) error
	}{
		{"read-csv", func(ctx context.Context) error { return p.readCSV(ctx, "simulated", text.Bytes()) }},
		{"write-dataset", p.writeDataset},
		{"write-shards", p.writeShards},
		{"load-shards", p.loadShards},
	}
	all := []Scenario{memoryCopy(1)}
	for _, s := range steps {
		all = append(all, Scenario{
			Name: fmt.Sprintf("Data/%s/answers=%d", s.name, stats.Answers),
			Run: func(ctx context.Context) ([]Metric, error) {
				m, d, err := timed(func() error { return s.f(ctx) })
				return []Metric{m, rate(int64(stats.Answers), d, "answers/s"), rate(int64(text.Len()), d, "CSV-B/s")}, err
			},
		})
	}
	return all, nil
}

func rate(n int64, d time.Duration, unit string) Metric {
	return Metric{unit, float64(n) / d.Seconds()}
}
