package cron

import (
	"fmt"
	"time"
)

// Stamp is a time as part of a name: 20261125T0300Z, with what it has of seconds.
func Stamp(ms int64) string {
	t := time.UnixMilli(ms).UTC()
	switch {
	case ms%1000 != 0:
		return t.Format("20060102T150405") + fmt.Sprintf("%03dZ", t.Nanosecond()/1e6)
	case ms%60_000 != 0:
		return t.Format("20060102T150405Z")
	}
	return t.Format("20060102T1504Z")
}

// Text is a time as its zone's people write it: 2026-11-25 03:00 CET.
func Text(ms int64, zone *time.Location) string {
	if ms == 0 {
		return "-"
	}
	return time.UnixMilli(ms).In(zone).Format("2006-01-02 15:04 MST")
}

// Moment reads 2006-01-02, which is that day's beginning in zone, or RFC 3339.
func Moment(text string, zone *time.Location) (int64, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return Line{zone: zone}.first(t).UnixMilli(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, fmt.Errorf("%q is no time such as 2006-01-02 or 2006-01-02T15:04:05Z", text)
	}
	return t.UnixMilli(), nil
}
