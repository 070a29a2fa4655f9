package sequence

// Place is where a predicted answer stands.
type Place struct {
	Student  int32 // number of the student in the set, from 0 on, in canonical order
	Position int32 // of the answer in the student's history, from 0 on
}

// Places are those of the set's predicted answers, in the order of its sequences;
// window is what the set was cut with.
func (s *Set) Places(window int) []Place {
	all := make([]Place, 0, s.Answers())
	student := int32(-1)
	for k, q := range s.Seqs {
		if k == 0 || s.keys[k].student != s.keys[k-1].student {
			student++
		}
		first := int32(s.keys[k].window) * int32(window)
		for t := range q.In {
			all = append(all, Place{student, first + int32(t) + 1})
		}
	}
	return all
}

// Student is the masked student of sequence k.
func (s *Set) Student(k int) string { return s.keys[k].student }
