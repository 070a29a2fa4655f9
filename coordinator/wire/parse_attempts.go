package wire

// SourceAttempts is the kind of source that is the cluster's own attempt log.
const SourceAttempts = "attempts"

// AttemptColumns are those of the attempt log.
func AttemptColumns() Columns {
	return Columns{
		Student: "student", Item: "item", Skill: "skill", Correct: Correct{Column: "correct"},
		Time: "time", TimeUnit: "us", ID: "id", Elapsed: "elapsed", ElapsedUnit: "ms",
	}
}

// fixColumns gives the attempt log its columns, which a file can't name otherwise.
func (d *decoder) fixColumns(s *Spec) {
	if s.Source.Kind != SourceAttempts {
		return
	}
	fixed := AttemptColumns()
	for _, c := range []struct{ path, value, want string }{
		{"data.columns.student", s.Data.Columns.Student, fixed.Student},
		{"data.columns.item", s.Data.Columns.Item, fixed.Item},
		{"data.columns.skill", s.Data.Columns.Skill, fixed.Skill},
		{"data.columns.correct", s.Data.Columns.Correct.Column, fixed.Correct.Column},
		{"data.columns.time", s.Data.Columns.Time, fixed.Time},
		{"data.columns.time_unit", s.Data.Columns.TimeUnit, fixed.TimeUnit},
		{"data.columns.id", s.Data.Columns.ID, fixed.ID},
		{"data.columns.elapsed", s.Data.Columns.Elapsed, fixed.Elapsed},
		{"data.columns.elapsed_unit", s.Data.Columns.ElapsedUnit, fixed.ElapsedUnit},
	} {
		if d.has(c.path) && c.value != c.want {
			d.at(c.path, "is %q; the attempt log's is %s: leave data.columns out", c.value, c.want)
		}
	}
	s.Data.Columns = fixed
}
