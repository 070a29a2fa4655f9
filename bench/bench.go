// Package bench measures cohort on the machine at hand. Every figure stands
// beside the machine's own limits, taken in the same run, and scenarios are
// interleaved: what a shared machine does to one, it does to all.
package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
)

// Metric is one number of a repetition, in Go benchmark units: "ns/op",
// "answers/s", "percent_of_peak".
type Metric struct {
	Unit  string
	Value float64
}

// Scenario is one thing measured.
type Scenario struct {
	Name string // as after "Benchmark", parts separated by slashes
	Run  func(ctx context.Context) ([]Metric, error)
}

// Spread is the repetitions of a metric.
type Spread struct {
	Median  float64   `json:"median"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
	Samples []float64 `json:"samples"` // in order of time
}

// Result is a scenario's metrics by unit.
type Result struct {
	Name    string            `json:"name"`
	Metrics map[string]Spread `json:"metrics"`
}

// Report is a run.
type Report struct {
	Machine Machine  `json:"machine"`
	Results []Result `json:"results"`
}

// samples are the repetitions of a scenario's metrics, by unit.
type samples map[string][]float64

// Run measures each scenario count times, all of them in turn after a round
// that is not counted, and writes a line for each repetition in Go's benchmark
// format to lines.
func Run(ctx context.Context, scenarios []Scenario, count int, lines io.Writer) (*Report, error) {
	r := &Report{Machine: Describe()}
	if _, err := io.WriteString(lines, r.Machine.header()); err != nil {
		return nil, err
	}
	all := make([]samples, len(scenarios))
	for k := range all {
		all[k] = samples{}
	}
	for round := range count + 1 {
		for k, s := range scenarios {
			metrics, err := s.once(ctx)
			if err != nil {
				return nil, err
			}
			if round == 0 {
				continue
			}
			all[k].add(metrics)
			if _, err := io.WriteString(lines, line(s.Name, metrics)); err != nil {
				return nil, err
			}
		}
	}
	for k, s := range scenarios {
		r.Results = append(r.Results, Result{s.Name, all[k].spreads()})
	}
	return r, nil
}

func (s Scenario) once(ctx context.Context) ([]Metric, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	metrics, err := s.Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return metrics, nil
}

func (s samples) add(metrics []Metric) {
	for _, m := range metrics {
		s[m.Unit] = append(s[m.Unit], m.Value)
	}
}

func (s samples) spreads() map[string]Spread {
	all := map[string]Spread{}
	for unit, values := range s {
		all[unit] = spread(values)
	}
	return all
}

// line is a repetition as go test -bench prints it, with one iteration.
func line(name string, metrics []Metric) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Benchmark%s 1", name)
	for _, m := range metrics {
		fmt.Fprintf(&b, " %.5g %s", m.Value, m.Unit)
	}
	return b.String() + "\n"
}

func spread(values []float64) Spread {
	return Spread{Median: median(values), Min: slices.Min(values), Max: slices.Max(values), Samples: values}
}

func median(values []float64) float64 {
	v := slices.Clone(values)
	sort.Float64s(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// timed is f's time as ns/op.
func timed(f func() error) (Metric, time.Duration, error) {
	start := time.Now()
	err := f()
	d := time.Since(start)
	return Metric{"ns/op", float64(d.Nanoseconds())}, d, err
}
