// Package cron says when a schedule fires: five-field lines in a time zone,
// by rules that hold through changes of the clock. Times are Unix milliseconds;
// nothing here asks what time it is.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines that have no zone files too

	"github.com/robfig/cron/v3"
)

// Line is a parsed line in its zone. The zero Line never fires.
type Line struct {
	fields *cron.SpecSchedule // matched against wall-clock time, which it takes for UTC
	zone   *time.Location
	wall   bool // hours are fixed: goes by the wall clock
}

// The five fields of a line, and what may stand in each.
func fieldNames() [5][2]string {
	return [5][2]string{
		{"minute", "0-59"},
		{"hour", "0-23"},
		{"day of month", "1-31"},
		{"month", "1-12 or JAN-DEC"},
		{"day of week", "0-6 or SUN-SAT, where Sunday is 0"},
	}
}

const options = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor

// Parse reads a line of five fields, or one of @yearly, @monthly, @weekly,
// @daily and @hourly, that goes by a zone. The error names the field.
func Parse(line string, zone *time.Location) (Line, error) {
	line = strings.TrimSpace(line)
	l := Line{zone: zone, wall: line != "@hourly"}
	if !strings.HasPrefix(line, "@") {
		fields := strings.Fields(line)
		if err := check(fields); err != nil {
			return Line{}, err
		}
		l.wall = !strings.HasPrefix(fields[1], "*") && !strings.HasPrefix(fields[1], "?")
	}
	parsed, err := cron.NewParser(options).Parse(line)
	var ok bool
	if l.fields, ok = parsed.(*cron.SpecSchedule); err != nil || !ok {
		return Line{}, fmt.Errorf("%q is unknown; known: @yearly, @monthly, @weekly, @daily, @hourly and five fields such as \"*/30 * * * *\"", line)
	}
	l.fields.Location = time.UTC
	if l.Next(0) == 0 {
		return Line{}, fmt.Errorf("%q names a day that no year has", line)
	}
	return l, nil
}

// check tries each field by itself, so that the one to blame can be named.
func check(fields []string) error {
	names := fieldNames()
	if len(fields) != len(names) {
		return fmt.Errorf("%q has %d fields; want five: minute, hour, day of month, month, day of week", strings.Join(fields, " "), len(fields))
	}
	for k, f := range fields {
		try := []string{"*", "*", "*", "*", "*"}
		try[k] = f
		bad := strings.Contains(f, "=") || strings.Trim(f, ",") != f || strings.Contains(f, ",,")
		if !bad {
			_, err := cron.NewParser(options).Parse(strings.Join(try, " "))
			bad = err != nil
		}
		if bad {
			return fmt.Errorf("%s %q is not understood; want %s, lists, ranges, steps or *", names[k][0], f, names[k][1])
		}
	}
	return nil
}

// Zone finds a time zone by its IANA name; empty is UTC.
func Zone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, errors.New("\"Local\" is no zone of its own: name one such as Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no IANA time zone such as Europe/Berlin", name)
	}
	return zone, nil
}
