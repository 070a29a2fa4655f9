package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt/feature"
)

// students makes the tables by student, part by part.
func (f *featurer) students(ctx context.Context) error {
	f.set.NewTable(feature.Users, []string{"student"}, feature.UserTable(nil))
	f.set.NewTable(feature.Skills, []string{"student", "skill"}, feature.SkillTable(nil))
	for k := range f.m.Parts {
		if err := f.part(ctx, k); err != nil {
			return err
		}
	}
	if f.unknown > 0 {
		return inputf("split: %d of %d students have no fold in the fold file, among them the one masked as %s", f.unknown, f.set.Students, f.example)
	}
	return nil
}

// part makes part k of both tables. A part of the same events at the same cut as
// the earlier set's is that set's; else rows of unchanged students are.
func (f *featurer) part(ctx context.Context, k int) error {
	users, skills := f.set.Table(feature.Users), f.set.Table(feature.Skills)
	whole, err := f.unchanged(ctx, k)
	if err != nil {
		return err
	}
	p := &partOf{f: f, users: feature.UserTable(nil), skills: feature.SkillTable(nil), whole: whole}
	if f.base != nil && !whole {
		if err := p.open(ctx, k); err != nil {
			return err
		}
	}
	if err := f.each(ctx, k, p.student); err != nil {
		return err
	}
	if whole {
		users.Keep(f.base.Table(feature.Users).Parts[k])
		skills.Keep(f.base.Table(feature.Skills).Parts[k])
		f.kept += users.Parts[k].Rows
		return nil
	}
	if err := users.Write(ctx, f.env.Blobs, p.users); err != nil {
		return err
	}
	return skills.Write(ctx, f.env.Blobs, p.skills)
}

// unchanged reports whether the earlier set has part k as this one will, and
// its blobs are still there.
func (f *featurer) unchanged(ctx context.Context, k int) (bool, error) {
	if f.base == nil || f.base.Cut != f.set.Cut || f.base.Sources[k] != f.set.Sources[k] {
		return false, nil
	}
	for _, name := range []string{feature.Users, feature.Skills} {
		hash := f.base.Table(name).Parts[k].Hash
		if hash == "" {
			continue
		}
		if has, err := f.env.Blobs.Has(ctx, hash); err != nil || !has {
			return false, err
		}
	}
	return true, nil
}

// each visits the students of a part, each with the events that are seen.
func (f *featurer) each(ctx context.Context, k int, visit func(student string, events []dataplane.Event)) error {
	var events []dataplane.Event
	end := func() {
		if len(events) > 0 {
			visit(events[0].Student, events)
		}
		events = events[:0]
	}
	err := f.m.ReadPart(ctx, f.env.Blobs, k, func(e dataplane.Event) error {
		if f.read%reportRows == 0 {
			f.env.Progress(wire.Progress{Message: "making features", Done: f.read, Total: f.m.Events})
		}
		f.read++
		if !f.seen(&e) {
			return nil
		}
		if len(events) > 0 && events[0].Student != e.Student {
			end()
		}
		events = append(events, e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("dataset %s, %w", f.set.Dataset, err)
	}
	end()
	return ctx.Err()
}

// partOf is a part under way, beside the earlier set's of the same number.
type partOf struct {
	f             *featurer
	users, skills *dataplane.Table
	whole         bool // the rows are the earlier set's, unseen

	oldUsers, oldSkills *dataplane.Table // nil: none
	user, skill         int              // rows up to which they have been passed
}

// open reads the earlier set's part; one that is gone or not readable is done without.
func (p *partOf) open(ctx context.Context, k int) error {
	users, err := p.f.base.Table(feature.Users).Read(ctx, p.f.env.Blobs, k)
	if err != nil {
		return p.without(err)
	}
	skills, err := p.f.base.Table(feature.Skills).Read(ctx, p.f.env.Blobs, k)
	if err != nil {
		return p.without(err)
	}
	if users.SameColumns(p.users) && skills.SameColumns(p.skills) {
		p.oldUsers, p.oldSkills = users, skills
	}
	return nil
}

func (p *partOf) without(err error) error {
	if !errors.Is(err, lake.ErrNotFound) && !errors.Is(err, lake.ErrCorrupt) {
		return fmt.Errorf("earlier feature set: %w", err)
	}
	p.f.env.Logger.Warn("a part of the earlier feature set is not used: its students are computed", "error", err)
	return nil
}

// student takes a student's events, of which there is at least one.
func (p *partOf) student(id string, events []dataplane.Event) {
	f := p.f
	f.set.Events += int64(len(events))
	f.set.Students++
	for k := range events {
		if skill := events[k].Skill; !f.skills[skill] {
			f.skills[strings.Clone(skill)] = true
		}
	}
	if f.train(id) {
		f.items.Add(id, events)
	}
	if p.whole || p.keep(id, events) {
		return
	}
	s := feature.NewStudent(id, f.how)
	for _, e := range events {
		s.Add(e)
	}
	users, skills := feature.UserTable([]feature.UserRow{s.Row(f.s.Cut)}), feature.SkillTable(s.Skills())
	p.users.Append(users, 0, users.Rows())
	p.skills.Append(skills, 0, skills.Rows())
}

// keep takes over the earlier set's rows when they are of the same events.
func (p *partOf) keep(id string, events []dataplane.Event) bool {
	if p.oldUsers == nil {
		return false
	}
	ids := p.oldUsers.Columns[0].Texts
	for p.user < len(ids) && ids[p.user] < id {
		p.user++
	}
	if p.user == len(ids) || ids[p.user] != id || p.oldUsers.Column(feature.HistoryColumn).Texts[p.user] != feature.Digest(events) {
		return false
	}
	at := p.users.Rows()
	p.users.Append(p.oldUsers, p.user, p.user+1)
	feature.Recut(p.users, at, p.f.how, p.f.s.Cut)
	ids = p.oldSkills.Columns[0].Texts
	for p.skill < len(ids) && ids[p.skill] < id {
		p.skill++
	}
	from := p.skill
	for p.skill < len(ids) && ids[p.skill] == id {
		p.skill++
	}
	p.skills.Append(p.oldSkills, from, p.skill)
	p.f.kept++
	return true
}
