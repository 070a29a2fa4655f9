package feature

import "cohort/dataplane"

// column is a field of a row as a column of a table; one of the functions is set.
type column[R any] struct {
	name  string
	text  func(*R) string
	whole func(*R) int64
	real  func(*R) float64
}

func text[R any](name string, f func(*R) string) column[R] { return column[R]{name: name, text: f} }

func whole[R any](name string, f func(*R) int64) column[R] { return column[R]{name: name, whole: f} }

func real[R any](name string, f func(*R) float64) column[R] { return column[R]{name: name, real: f} }

// tableOf makes a table of rows.
func tableOf[R any](columns []column[R], rows []R) *dataplane.Table {
	t := &dataplane.Table{Columns: make([]dataplane.Column, len(columns))}
	for k, c := range columns {
		d := &t.Columns[k]
		d.Name = c.name
		switch {
		case c.text != nil:
			d.Kind = dataplane.KindText
		case c.whole != nil:
			d.Kind = dataplane.KindInt
		default:
			d.Kind = dataplane.KindFloat
		}
		for r := range rows {
			switch d.Kind {
			case dataplane.KindText:
				d.Texts = append(d.Texts, c.text(&rows[r]))
			case dataplane.KindInt:
				d.Ints = append(d.Ints, c.whole(&rows[r]))
			case dataplane.KindFloat:
				d.Floats = append(d.Floats, c.real(&rows[r]))
			}
		}
	}
	return t
}

// UserTable makes the table Users of rows.
func UserTable(rows []UserRow) *dataplane.Table {
	type r = UserRow
	return tableOf([]column[r]{
		text("student", func(r *r) string { return r.Student }),
		whole("answers", func(r *r) int64 { return r.Answers }),
		whole("right", func(r *r) int64 { return r.Right }),
		real("accuracy", func(r *r) float64 { return r.Accuracy }),
		whole("recent_answers", func(r *r) int64 { return r.RecentAnswers }),
		real("recent_accuracy", func(r *r) float64 { return r.RecentAccuracy }),
		whole("streak", func(r *r) int64 { return r.Streak }),
		whole("longest_streak", func(r *r) int64 { return r.LongestStreak }),
		whole("skills", func(r *r) int64 { return r.Skills }),
		whole("items", func(r *r) int64 { return r.Items }),
		whole("timed", func(r *r) int64 { return r.Timed }),
		real("elapsed_mean_ms", func(r *r) float64 { return r.ElapsedMean }),
		real("elapsed_median_ms", func(r *r) float64 { return r.ElapsedMedian }),
		whole("sessions", func(r *r) int64 { return r.Sessions }),
		real("session_answers", func(r *r) float64 { return r.SessionAnswers }),
		real("session_minutes", func(r *r) float64 { return r.SessionMinutes }),
		whole("days", func(r *r) int64 { return r.Days }),
		real("spacing_answers", func(r *r) float64 { return r.SpacingAnswers }),
		real("spacing_time", func(r *r) float64 { return r.SpacingTime }),
		whole(firstName, func(r *r) int64 { return r.First }),
		whole(lastName, func(r *r) int64 { return r.Last }),
		real(sinceFirstName, func(r *r) float64 { return r.SinceFirst }),
		real(sinceLastName, func(r *r) float64 { return r.SinceLast }),
		text(HistoryColumn, func(r *r) string { return r.History }),
	}, rows)
}

// HistoryColumn of the table Users names the events that a row was made of.
const HistoryColumn = "history"

const (
	firstName      = "first_time"
	lastName       = "last_time"
	sinceFirstName = "since_first_s"
	sinceLastName  = "since_last_s"
)

// Recut moves row k of a table Users to another cut, which sees the same events
// of its student: only the times since depend on it.
func Recut(users *dataplane.Table, k int, s Settings, cut int64) {
	first, last := users.Column(firstName).Ints[k], users.Column(lastName).Ints[k]
	a, b := since(s.Clock, first, last, cut)
	users.Column(sinceFirstName).Floats[k], users.Column(sinceLastName).Floats[k] = a, b
}

// SkillTable makes the table Skills of rows.
func SkillTable(rows []SkillRow) *dataplane.Table {
	type r = SkillRow
	return tableOf([]column[r]{
		text("student", func(r *r) string { return r.Student }),
		text("skill", func(r *r) string { return r.Skill }),
		whole("attempts", func(r *r) int64 { return r.Attempts }),
		whole("right", func(r *r) int64 { return r.Right }),
		real("accuracy", func(r *r) float64 { return r.Accuracy }),
		whole("streak", func(r *r) int64 { return r.Streak }),
		whole(firstName, func(r *r) int64 { return r.First }),
		whole(lastName, func(r *r) int64 { return r.Last }),
	}, rows)
}

// ItemTable makes the table Items of rows.
func ItemTable(rows []ItemRow) *dataplane.Table {
	type r = ItemRow
	return tableOf([]column[r]{
		text("item", func(r *r) string { return r.Item }),
		whole("answers", func(r *r) int64 { return r.Answers }),
		whole("right", func(r *r) int64 { return r.Right }),
		real("accuracy", func(r *r) float64 { return r.Accuracy }),
		whole("students", func(r *r) int64 { return r.Students }),
		whole("first_right", func(r *r) int64 { return r.FirstRight }),
		real("difficulty", func(r *r) float64 { return r.Difficulty }),
		real("difficulty_se", func(r *r) float64 { return r.Error }),
		whole("extreme", func(r *r) int64 { return r.Extreme }),
		real("discrimination", func(r *r) float64 { return r.Discrimination }),
		whole("timed", func(r *r) int64 { return r.Timed }),
		real("elapsed_mean_ms", func(r *r) float64 { return r.ElapsedMean }),
		real("elapsed_median_ms", func(r *r) float64 { return r.ElapsedMedian }),
	}, rows)
}
