package quality

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"cohort/dataplane/lake"
)

// faults counts an extraction's rejects by column and kind.
type faults struct {
	empty map[string]int64 // by column: the value is missing
	wrong map[string]int64 // by column: it is no such value
	kinds map[kind]int64
	n     int64
}

// kind is a reason without the value that it quotes.
type kind struct{ column, text string }

// maxKinds bounds what is counted apart; a source may make a reason of every row.
const maxKinds = 1000

func newFaults() faults {
	return faults{empty: map[string]int64{}, wrong: map[string]int64{}, kinds: map[kind]int64{}}
}

func (f *faults) add(r lake.Reject) {
	f.n++
	if isEmpty(r.Reason) {
		f.empty[r.Column]++
	} else {
		f.wrong[r.Column]++
	}
	k := kind{r.Column, withoutValue(r.Reason)}
	if _, known := f.kinds[k]; !known && len(f.kinds) >= maxKinds {
		k.text = "other reasons"
	}
	f.kinds[k]++
}

// isEmpty reports whether a reason says that there is no value: the text is
// empty, the JSON object lacks the key, the column is NULL.
func isEmpty(reason string) bool {
	if strings.HasPrefix(reason, `"" is `) || strings.HasPrefix(reason, "no field") || strings.HasPrefix(reason, "no value") {
		return true
	}
	for _, end := range []string{" is empty", " is missing", " is null", " is NULL", " is not there"} {
		if strings.HasSuffix(reason, end) {
			return true
		}
	}
	return false
}

// withoutValue replaces what a reason quotes first, which is the row's, so that
// equal faults are counted together.
func withoutValue(reason string) string {
	if !strings.HasPrefix(reason, `"`) {
		return reason
	}
	for k := 1; k < len(reason); k++ {
		switch reason[k] {
		case '\\':
			k++
		case '"':
			if k == 1 {
				return "an empty value" + reason[2:]
			}
			return "a value" + reason[k+1:]
		}
	}
	return reason
}

// most is the kind that is met most, for a person.
func (f *faults) most() (text string, rows int64) {
	all := slices.SortedFunc(maps.Keys(f.kinds), func(a, b kind) int {
		return cmp.Or(cmp.Compare(f.kinds[b], f.kinds[a]), cmp.Compare(a.column, b.column), cmp.Compare(a.text, b.text))
	})
	if len(all) == 0 {
		return "", 0
	}
	k := all[0]
	if k.column == "" {
		return k.text, f.kinds[k]
	}
	return k.column + ": " + k.text, f.kinds[k]
}
