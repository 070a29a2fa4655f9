package cron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	cronlib "github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"cohort/coordinator/cron"
)

func zone(t rapid.TB, name string) *time.Location {
	t.Helper()
	z, err := cron.Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func line(t rapid.TB, text, zoneName string) cron.Line {
	t.Helper()
	l, err := cron.Parse(text, zone(t, zoneName))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// firings are those of [from, to), in UTC.
func firings(t rapid.TB, text, zoneName, from, to string) []string {
	t.Helper()
	var at [2]int64
	for k, s := range []string{from, to} {
		ms, err := cron.Moment(s, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		at[k] = ms
	}
	var all []string
	for _, ms := range line(t, text, zoneName).Between(at[0], at[1], 100) {
		all = append(all, time.UnixMilli(ms).UTC().Format("01-02 15:04"))
	}
	return all
}

func TestFixedHoursGoByTheWallClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, line, zone, from, to, want string }{
		{"winter", "30 2 * * *", "Europe/Berlin", "2026-01-01", "2026-01-03", "01-01 01:30, 01-02 01:30"},
		{"jumped-over", "30 2 * * *", "Europe/Berlin", "2026-03-28", "2026-03-31", "03-28 01:30, 03-29 01:00, 03-30 00:30"},
		{"shown-twice", "30 2 * * *", "Europe/Berlin", "2026-10-24", "2026-10-27", "10-24 00:30, 10-25 00:30, 10-26 01:30"},
		{"many-in-the-gap-fire-once", "0,30 2,3 * * *", "Europe/Berlin", "2026-03-29", "2026-03-30", "03-29 01:00, 03-29 01:30"},
		{"new-york-gap", "15 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z", "03-08 07:00, 03-09 06:15"},
		{"new-york-twice", "15 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z", "11-01 05:15, 11-02 06:15"},
		{"lord-howe-half-hour-gap", "15 2 * * *", "Australia/Lord_Howe", "2026-10-02T12:00:00Z", "2026-10-04T18:00:00Z", "10-02 15:45, 10-03 15:30, 10-04 15:15"},
		{"lord-howe-half-hour-twice", "45 1 * * *", "Australia/Lord_Howe", "2026-04-03T12:00:00Z", "2026-04-05T18:00:00Z", "04-03 14:45, 04-04 14:45, 04-05 15:15"},
		{"casablanca-before-ramadan", "30 2 * * *", "Africa/Casablanca", "2026-02-14", "2026-02-16", "02-14 01:30, 02-15 01:30"},
		{"beirut-no-midnight", "0 0 * * *", "Asia/Beirut", "2026-03-28", "2026-03-30", "03-28 22:00, 03-29 21:00"},
		{"santiago-no-midnight", "30 0 * * *", "America/Santiago", "2026-09-05", "2026-09-08", "09-05 04:30, 09-06 04:00, 09-07 03:30"},
		{"santiago-midnight-twice", "30 23 * * *", "America/Santiago", "2026-04-04", "2026-04-07", "04-04 02:30, 04-05 02:30, 04-06 03:30"},
		{"apia-a-day-that-never-was", "0 12 30 12 *", "Pacific/Apia", "2011-12-29", "2012-01-02", "12-30 10:00"},
		{"last-days", "0 3 29 2 *", "UTC", "2026-01-01", "2033-01-01", "02-29 03:00, 02-29 03:00"},
		{"day-of-month-or-of-week", "0 3 1 * 1", "UTC", "2026-11-01", "2026-11-10", "11-01 03:00, 11-02 03:00, 11-09 03:00"},
		{"daily", "@daily", "Asia/Kolkata", "2026-11-01", "2026-11-03", "11-01 18:30, 11-02 18:30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(c.want, strings.Join(firings(t, c.line, c.zone, c.from, c.to), ", ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWildcardHoursGoByTimeAsItPasses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, line, zone, from, to, want string }{
		{"hourly-through-the-gap", "30 * * * *", "Europe/Berlin", "2026-03-29", "2026-03-29T03:00:00Z", "03-29 00:30, 03-29 01:30, 03-29 02:30"},
		{"hourly-through-the-overlap", "@hourly", "Europe/Berlin", "2026-10-25", "2026-10-25T03:00:00Z", "10-25 00:00, 10-25 01:00, 10-25 02:00"},
		{"every-other-hour", "0 */2 * * *", "Europe/Berlin", "2026-10-24T21:00:00Z", "2026-10-25T04:00:00Z", "10-24 22:00, 10-25 00:00, 10-25 01:00, 10-25 03:00"},
		{"half-hours-of-lord-howe", "*/30 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z", "04-04 14:00, 04-04 14:30, 04-04 15:00, 04-04 15:30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(c.want, strings.Join(firings(t, c.line, c.zone, c.from, c.to), ", ")); d != "" {
				t.Error(d)
			}
		})
	}
}

// zones have changes of an hour, of half an hour, at midnight, twice a month
// and none at all.
func zones() []string {
	return []string{
		"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "America/Santiago", "America/Sao_Paulo",
		"America/Havana", "Asia/Beirut", "Asia/Tehran", "Asia/Kathmandu", "Africa/Casablanca", "Africa/Cairo",
		"Australia/Lord_Howe", "Australia/Sydney", "Pacific/Chatham", "Pacific/Apia", "Antarctica/Troll",
	}
}

// watcher finds firings the slow way: it looks at the clock every minute.
func watcher(t rapid.TB, text string, z *time.Location, from, to time.Time) []int64 {
	t.Helper()
	parsed, err := cronlib.ParseStandard("CRON_TZ=UTC " + text)
	if err != nil {
		t.Fatal(err)
	}
	matches := func(w time.Time) bool { return parsed.Next(w.Add(-time.Second)).Equal(w) }
	shows := func(at time.Time) time.Time {
		at = at.In(z)
		return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC)
	}
	wild := strings.HasPrefix(strings.Fields(text)[1], "*")
	var all []int64
	furthest := shows(from.Add(-4 * time.Hour))
	for at := from.Add(-4 * time.Hour); at.Before(to); at = at.Add(time.Minute) {
		w, fires := shows(at), false
		if wild {
			fires = matches(w)
		} else {
			for ; furthest.Before(w); furthest = furthest.Add(time.Minute) {
				fires = fires || matches(furthest.Add(time.Minute))
			}
		}
		if fires && !at.Before(from) {
			all = append(all, at.UnixMilli())
		}
	}
	return all
}

func TestItFiresWhenOneWhoWatchesTheClockWould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		z := zone(t, rapid.SampledFrom(zones()).Draw(t, "zone"))
		minute := rapid.SampledFrom([]string{"0", "1", "30", "59", "*/15", "0,45", "10-12"}).Draw(t, "minute")
		hour := rapid.SampledFrom([]string{"0", "1", "2", "3", "23", "0,2", "1-3", "*", "*/2", "*/5"}).Draw(t, "hour")
		day := rapid.SampledFrom([]string{"* * *", "* * 0", "* * 1-5", "1 * *", "25-31 * *", "8 * 0", "* 3,10 *"}).Draw(t, "day")
		year := rapid.IntRange(2005, 2037).Draw(t, "year")
		from := time.Date(year, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 28).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
		if rapid.Bool().Draw(t, "at-a-change") {
			if _, end := from.In(z).ZoneBounds(); !end.IsZero() {
				from = end.Add(-20 * time.Hour).Truncate(time.Minute)
			}
		}
		to := from.Add(40 * time.Hour)
		text := strings.Join([]string{minute, hour, day}, " ")
		l, err := cron.Parse(text, z)
		if err != nil {
			t.Fatal(err)
		}
		got := l.Between(from.UnixMilli(), to.UnixMilli(), 10_000)
		if d := cmp.Diff(watcher(t, text, z, from, to), got); d != "" {
			t.Fatalf("%s in %v from %v: %s", text, z, from, d)
		}
	})
}

func TestAFixedTimeFiresOnceADayAndTimesOnlyRise(t *testing.T) {
	t.Parallel()
	for _, name := range zones() {
		for _, text := range []string{"0 0 * * *", "30 0 * * *", "30 1 * * *", "30 2 * * *", "0 3 * * *", "30 23 * * *"} {
			l, z := line(t, text, name), zone(t, name)
			end := time.Date(2027, 1, 1, 0, 0, 0, 0, z).UnixMilli()
			days, last := map[string]int{}, int64(0)
			for at := l.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, z).UnixMilli() - 1); at < end; at = l.Next(at) {
				if at <= last {
					t.Fatalf("%s in %s: %d comes after %d", text, name, at, last)
				}
				last = at
				days[time.UnixMilli(at).In(z).Format(time.DateOnly)]++
			}
			if len(days) != 365 {
				t.Errorf("%s in %s fires on %d days of 365", text, name, len(days))
			}
			for day, n := range days {
				if n != 1 {
					t.Errorf("%s in %s fires %d times on %s", text, name, n, day)
				}
			}
		}
	}
}

func TestAWrongLineNamesItsField(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          `"" has 0 fields; want five`,
		"0 3 * *":                   "has 4 fields",
		"0 0 3 * * 1":               "has 6 fields",
		"60 3 * * *":                `minute "60" is not understood; want 0-59`,
		"0 24 * * *":                `hour "24"`,
		"0 3 0 * *":                 `day of month "0"`,
		"0 3 * 13 *":                `month "13"`,
		"0 3 * * 7":                 `day of week "7" is not understood; want 0-6 or SUN-SAT, where Sunday is 0`,
		"0 3 * * mon-":              `day of week "mon-"`,
		"0 3 * FOO *":               `month "FOO"`,
		"*/0 3 * * *":               `minute "*/0"`,
		"0 5-3 * * *":               `hour "5-3"`,
		"0 , * * *":                 `hour ","`,
		"0 1,,2 * * *":              `hour "1,,2"`,
		"TZ=Europe/Berlin 3 * * *":  `minute "TZ=Europe/Berlin"`,
		"CRON_TZ=UTC 0 3 * *":       `minute "CRON_TZ=UTC"`,
		"@every 1h":                 `"@every 1h" is unknown`,
		"@reboot":                   "known: @yearly",
		"0 3 31 2 *":                "names a day that no year has",
		"0 3 30 FEB *":              "names a day that no year has",
		"TZ=":                       "has 1 fields",
		"0 3 * * 1-99999999999999":  "day of week",
		"0 3 * * 9223372036854775":  "day of week",
		"\x00 3 * * *":              "minute",
		"0 3 * * *; rm -rf /":       "fields",
		"0 3 * * MON#1":             "day of week",
		"0 3 L * *":                 "day of month",
		"99999999999999999 * * * *": "minute",
	} {
		_, err := cron.Parse(text, time.UTC)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	for name, want := range map[string]string{"Local": "no zone of its own", "Europe/Bonn": "no IANA time zone", "../etc/passwd": "no IANA"} {
		if _, err := cron.Zone(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", name, err, want)
		}
	}
}

func TestTimesAsText(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	at := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC).UnixMilli()
	for _, c := range []struct{ got, want string }{
		{cron.Stamp(at), "20261125T0300Z"},
		{cron.Stamp(at + 5000), "20261125T030005Z"},
		{cron.Stamp(at + 5012), "20261125T030005012Z"},
		{cron.Text(at, berlin), "2026-11-25 04:00 CET"},
		{cron.Text(0, berlin), "-"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	for text, want := range map[string]int64{"2026-11-25": at - 4*3600_000, "2026-11-25T03:00:00Z": at, "2026-11-25T05:00:00+02:00": at} {
		if got, err := cron.Moment(text, berlin); got != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	if _, err := cron.Moment("yesterday", berlin); err == nil {
		t.Error("yesterday is a time")
	}
	if (cron.Line{}).Next(at) != 0 {
		t.Error("the zero line fires")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0 3 * * 1")
	f.Add("*/15 0-6/2 1,15 JAN-MAR sun")
	f.Add("@daily")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := cron.Parse(text, time.UTC)
		if err != nil {
			return
		}
		at := int64(1_790_000_000_000)
		if next := l.Next(at); next <= at || next%60_000 != 0 {
			t.Errorf("%q fires at %d after %d", text, next, at)
		}
	})
}
