package feature

import (
	"math"
	"slices"
)

// UserRow is how a student behaves. What needs a clock, response times or an
// earlier answer that is not there is NaN (counts: 0).
type UserRow struct {
	Student        string // masked
	Answers        int64
	Right          int64
	Accuracy       float64
	RecentAnswers  int64 // at most Settings.Recent
	RecentAccuracy float64
	Streak         int64 // right answers up to now
	LongestStreak  int64
	Skills         int64 // distinct
	Items          int64 // distinct, named ones
	Timed          int64 // answers with a response time
	ElapsedMean    float64
	ElapsedMedian  float64 // milliseconds, exact: the mean of the middle two
	Sessions       int64   // clock
	SessionAnswers float64 // clock: mean length in answers, the last session as far as seen
	SessionMinutes float64 // clock: mean time from a session's first to last answer
	Days           int64   // clock: UTC days with an answer
	SpacingAnswers float64 // mean log of the number of answers since the last on the same skill
	SpacingTime    float64 // clock: mean log(1 + seconds since the last answer on the same skill)
	First          int64   // time of the first answer, microseconds or order
	Last           int64
	SinceFirst     float64 // clock: seconds from the first answer to the cut
	SinceLast      float64 // clock: likewise from the last
	History        string  // digest of the events seen
}

// SkillRow is what a student did on one skill.
type SkillRow struct {
	Student  string
	Skill    string
	Attempts int64
	Right    int64
	Accuracy float64
	Streak   int64 // right answers on the skill up to now
	First    int64 // times, microseconds or order
	Last     int64
}

// All is the cut of a feature set that sees every event.
const All = 0

// Row is the student's row at a cut, microseconds. With the cut All, times since
// are up to the student's own last answer, so that another's events move nothing.
func (s *Student) Row(cut int64) UserRow {
	r := s.row
	r.Student, r.History = s.id, s.Digest()
	r.Accuracy = ratio(r.Right, r.Answers)
	r.RecentAnswers = int64(len(s.recent))
	r.RecentAccuracy = ratio(count(s.recent), r.RecentAnswers)
	r.Skills, r.Items = int64(len(s.skills)), int64(len(s.items))
	r.Timed = int64(len(s.elapsed))
	r.ElapsedMean = ratio(s.total, r.Timed)
	sorted := slices.Sorted(slices.Values(s.elapsed))
	r.ElapsedMedian = median(sorted)
	r.SpacingAnswers, r.SpacingTime = nan(), nan()
	if s.spaced > 0 {
		r.SpacingAnswers = s.logAnswers / float64(s.spaced)
	}
	r.SessionAnswers, r.SessionMinutes = nan(), nan()
	if s.s.Clock && r.Answers > 0 {
		if s.spaced > 0 {
			r.SpacingTime = s.logSeconds / float64(s.spaced)
		}
		r.SessionAnswers = ratio(r.Answers, r.Sessions)
		r.SessionMinutes = float64(s.ended+r.Last-s.began) / float64(r.Sessions) / (60 * second)
	}
	r.SinceFirst, r.SinceLast = since(s.s.Clock && r.Answers > 0, r.First, r.Last, cut)
	return r
}

// since are the times from the first and the last answer to the cut, seconds.
func since(clock bool, first, last, cut int64) (sinceFirst, sinceLast float64) {
	if !clock {
		return nan(), nan()
	}
	if cut == All {
		cut = last
	}
	return float64(cut-first) / second, float64(cut-last) / second
}

func nan() float64 { return math.NaN() }

// ratio is a/b, NaN for b = 0.
func ratio(a, b int64) float64 {
	if b == 0 {
		return nan()
	}
	return float64(a) / float64(b)
}

func count(v []bool) (n int64) {
	for _, b := range v {
		if b {
			n++
		}
	}
	return n
}
