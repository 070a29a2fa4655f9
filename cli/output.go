package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A sink remembers the first error of its writer, so that what is printed in
// parts is checked once, at the end. Bars, logs and talk may share it.
type sink struct {
	mu  sync.Mutex // guards below
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.w.Write(b)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

func (s *sink) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(s, format, args...) // remembered
}

func (s *sink) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return fmt.Errorf("print: %w", s.err)
	}
	return nil
}

// printf writes data.
func (p *program) printf(format string, args ...any) { p.out.printf(format, args...) }

// printJSON writes v as one line, so that a program can take the last line.
func (p *program) printJSON(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	p.printf("%s\n", text)
	return nil
}

// printTable writes rows under a header, columns aligned.
func (p *program) printTable(header string, rows [][]string) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	lines := []string{strings.ReplaceAll(header, " | ", "\t")}
	for _, r := range rows {
		lines = append(lines, strings.Join(r, "\t"))
	}
	if _, err := io.WriteString(w, strings.Join(lines, "\n")+"\n"); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// printList writes a list as the flags ask: JSON, ids only, or a table.
func printList[T any](p *program, list []T, id func(T) string, header string, row func(T) []string) error {
	if p.format == "json" {
		if list == nil {
			list = []T{}
		}
		return p.printJSON(list)
	}
	if p.quiet {
		for _, v := range list {
			p.printf("%s\n", id(v))
		}
		return nil
	}
	rows := make([][]string, len(list))
	for k, v := range list {
		rows[k] = row(v)
	}
	return p.printTable(header, rows)
}

// ago is a time as people say it.
func ago(ms int64, now time.Time) string {
	if ms == 0 {
		return "-"
	}
	return span(now.Sub(time.UnixMilli(ms))) + " ago"
}

// span is a duration with the one or two units that matter.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
}

// grouped is a number with thousands apart: 1,234,567.
func grouped[N int | int64](n N) string {
	s := fmt.Sprint(n)
	for k := len(s) - 3; k > 0 && s[k-1] != '-'; k -= 3 {
		s = s[:k] + "," + s[k:]
	}
	return s
}

// sized is a number of bytes for people.
func sized(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
}

// either is s, or a dash when it is empty.
func either(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
