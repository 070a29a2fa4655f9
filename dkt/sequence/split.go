package sequence

import (
	"cohort/dataplane"
	"cohort/kernels"
)

// Part is the side of a split that a student is on, always the same one.
type Part uint8

// The parts.
const (
	Train Part = iota
	Valid
	Test
	// Out is no part: the student is left out.
	Out
)

func (p Part) String() string { return [...]string{"train", "valid", "test", "out"}[p] }

// PartByHash deals a student by u = hash(student, seed) in [0, 1): test below
// the share test, valid below test + valid, train above.
func PartByHash(student string, seed uint32, test, valid float64) Part {
	h := StudentHash(student)
	w := kernels.Philox([2]uint32{seed, kernels.PurposeSplit}, [4]uint32{uint32(h), uint32(h >> 32), 0, 0})
	switch u := kernels.Uniform(w[0]); {
	case u < test:
		return Test
	case u < test+valid:
		return Valid
	}
	return Train
}

// PartByFold deals a student of a fold table.
func PartByFold(fold, test, valid int) Part {
	switch fold {
	case test:
		return Test
	case valid:
		return Valid
	}
	return Train
}

// PartOfFold deals a student for one fold, from 1 on, of a cross-validation over
// the students outside the test part; main is the side of the split itself. Those
// of the test part stay out of it, the fold's are tested on, and the others keep
// their side. Students are dealt to folds apart from how the split deals them.
func PartOfFold(student string, seed uint32, folds, fold int, main Part) Part {
	if main == Test {
		return Out
	}
	h := StudentHash(student)
	w := kernels.Philox([2]uint32{seed, kernels.PurposeSplit}, [4]uint32{uint32(h), uint32(h >> 32), 0, 0})
	if int(kernels.Uniform(w[1])*float64(folds))+1 == fold {
		return Test
	}
	return main
}

// Divide sorts histories by the part that of gives their student.
func Divide(histories []dataplane.History, of func(student string) (Part, error)) (parts [3][]dataplane.History, err error) {
	for _, h := range histories {
		p, err := of(h.Student)
		if err != nil {
			return parts, err
		}
		if p == Out {
			continue
		}
		parts[p] = append(parts[p], h)
	}
	return parts, nil
}
