package quality

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// number writes 12345 as 12,345.
func number[T int | int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for k := range len(s) {
		if k > 0 && (len(s)-k)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[k])
	}
	return sign + b.String()
}

// percent writes a share such as 8.8 %; what is not nothing is never 0.0 %, nor
// what is not all 100.0 %.
func percent(v float64) string {
	switch {
	case v > 0 && v < 0.0005:
		return "less than 0.1 %"
	case v < 1 && v > 0.9995:
		return "more than 99.9 %"
	}
	return fmt.Sprintf("%.1f %%", float64(100*v))
}

// apart writes a value with three digits after the point, or with as many more
// as it takes to tell it from its bound.
func apart(v, bound float64) string {
	for digits := 3; digits < 9; digits++ {
		if s := strconv.FormatFloat(v, 'f', digits, 64); v == bound || s != strconv.FormatFloat(bound, 'f', digits, 64) {
			return s
		}
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// plain writes a bound as it was given.
func plain(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// span writes microseconds in the two largest units that matter.
func span(micro int64) string {
	s := micro / (1000 * millisecond)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%s days %d h", number(s/86400), s/3600%24)
}

// plural writes "1 student", "2 students".
func plural[T int | int64](n T, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(n) + " " + what + "s"
}

// share is a part of a whole; 0 of nothing.
func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// round4 keeps four decimals, for reports.
func round4(v float64) float64 { return math.Floor(float64(v*10000)+0.5) / 10000 }
