package tune

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"cohort/kernels"
)

// Check reports every fault of a setting's domain.
func (p Param) Check() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("space: "+p.Name+": "+format, args...))
		}
	}
	if len(p.Values) > 0 {
		need(p.Low == 0 && p.High == 0 && p.Step == 0 && !p.Log && !p.Int, "values, and a range beside them")
		return errors.Join(faults...)
	}
	finite := math.Abs(p.Low) <= 0x1p53 && math.Abs(p.High) <= 0x1p53 // false of NaN
	need(finite && p.Low <= p.High, "a range from %g to %g", p.Low, p.High)
	need(p.Step >= 0 && p.Step <= 0x1p53, "a step of %g", p.Step)
	need(p.Step == 0 || (p.High-p.Low)/p.Step <= 1<<31, "more than 2^31 steps of %g", p.Step)
	need(!p.Log || p.Low > 0, "a logarithm of a range from %g", p.Low)
	need(!p.Log || p.Step == 0 || p.Int && p.Step == 1, "a step in a logarithm")
	if p.Int {
		need(math.Floor(p.Low) == p.Low && math.Floor(p.High) == p.High && math.Floor(p.Step) == p.Step,
			"whole numbers from %g to %g by %g", p.Low, p.High, p.Step)
	}
	return errors.Join(faults...)
}

// A domain is a setting as samplers see it. A value is a float64: the place in
// Values, or the number itself. Numbers are compared in the scale of the search,
// which is their logarithm or themselves, where they lie between from and to:
// half a step beyond the least and the largest, so that each is as likely.
type domain struct {
	Param
	from, to float64
}

func newDomain(p Param) domain {
	d := domain{Param: p}
	if p.Int && p.Step == 0 {
		d.Step = 1
	}
	if d.Step > 0 {
		steps := math.Floor(float64((p.High-p.Low)/d.Step) + 1e-9)
		d.High = d.at(int(steps))
	}
	d.from, d.to = d.Low-float64(d.Step/2), d.High+float64(d.Step/2)
	if p.Log {
		d.from, d.to = kernels.Log(d.from), kernels.Log(d.to)
	}
	return d
}

func (s Study) domains() []domain {
	all := make([]domain, len(s.Space))
	for k, p := range s.Space {
		all[k] = newDomain(p)
	}
	return all
}

// choice reports whether the domain is of Values.
func (d domain) choice() bool { return len(d.Values) > 0 }

// count is the number of values, 0 if there is no end to them.
func (d domain) count() int {
	switch {
	case d.choice():
		return len(d.Values)
	case d.Step > 0:
		return int(math.Floor(float64((d.High-d.Low)/d.Step)+0.5)) + 1
	case d.Low == d.High:
		return 1
	}
	return 0
}

// at is the value in place k of count. A step's numbers are those of twelve
// digits, so that three steps of 0.1 are 0.3.
func (d domain) at(k int) float64 {
	if d.choice() {
		return float64(k)
	}
	x := d.Low + float64(float64(k)*d.Step)
	if d.Int || d.Step == 0 {
		return x
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 12, 64), 64)
	if err != nil {
		return x
	}
	return short
}

// scaled is a number in the scale of the search.
func (d domain) scaled(x float64) float64 {
	if d.Log {
		return kernels.Log(x)
	}
	return x
}

// value is the number of the domain nearest to x, in the scale of the search.
func (d domain) value(x float64) float64 {
	if d.Log {
		x = kernels.Exp(x)
	}
	if d.Step > 0 {
		k := math.Floor(float64((x-d.Low)/d.Step) + 0.5)
		return d.at(int(min(max(k, 0), float64(d.count()-1))))
	}
	return min(max(x, d.Low), d.High)
}

// discrete reports whether the numbers are steps of an even scale. Whole
// numbers in a logarithm are searched as if they had no steps.
func (d domain) discrete() bool { return d.Step > 0 && !d.Log }

// text is a value as JSON.
func (d domain) text(x float64) json.RawMessage {
	switch {
	case d.choice():
		return d.Values[int(x)]
	case d.Int:
		return strconv.AppendInt(nil, int64(x), 10)
	}
	text, err := json.Marshal(x)
	if err != nil {
		return json.RawMessage("null") // no number of a domain is infinite
	}
	return text
}
