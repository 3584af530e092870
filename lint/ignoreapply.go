package lint

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"

	"github.com/galley-coop/galley/recipe"
)

// sift takes a target's findings apart: those that its configuration leaves out,
// those that comments hide, and the rest.
func (l *look) sift(texts *texts, found []Finding) {
	hiding := l.ignores(texts)
	kept := l.keeper()
	for _, f := range found {
		reason, hidden := "", false
		if i := hiding[f.File]; i != nil && !aboutIgnores(f.Rule) {
			reason, hidden = i.hide(&Rule{ID: f.Rule, Name: f.Name}, f.Start.Line)
		}
		switch {
		case !kept.keeps(&f):
		case hidden:
			l.suppressed = append(l.suppressed, Suppressed{Finding: f, Reason: reason})
		default:
			l.findings = append(l.findings, f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hiding)) {
		l.judge(texts, hiding[name], kept)
	}
}

// ignores are the comments of the target's files that hide findings, by file as
// shown. Files that nothing was found in are read too when they are the
// recipe's own: a comment in them is of no use.
func (l *look) ignores(texts *texts) map[string]*ignores {
	if !l.opts.Ignores {
		return nil
	}
	var found map[string]*ignores
	for name, text := range texts.known {
		if text == nil {
			continue
		}
		if i := readIgnores(l.target.Recipe, text.Text); i != nil {
			if found == nil {
				found = map[string]*ignores{}
			}
			found[path.Join(l.target.Dir, name)] = i
		}
	}
	return found
}

// keeper decides which of a target's findings count, and how much.
type keeper struct {
	*look
	exempt bool // the target is excluded itself, so it was given by name
	level  Severity
	fails  bool
	rel    map[string]string // files as the configuration's patterns see them
}

func (l *look) keeper() *keeper {
	k := &keeper{look: l}
	name := l.opts.FailOn
	if c := l.target.Config; c != nil {
		if name == "" {
			name = c.FailOn
		}
		k.rel = map[string]string{}
		k.exempt = c.Excludes(l.target.Dir) || l.target.Recipe.Base != nil && c.Excludes(path.Join(l.target.Dir, l.target.Recipe.Base.Text.Path))
	}
	level, fails, err := failing(name)
	k.level, k.fails = level, fails || err != nil
	return k
}

func (k *keeper) keeps(f *Finding) bool {
	if k.target.Focus != "" && f.File != k.target.Focus {
		return false
	}
	if c := k.target.Config; c != nil {
		rel, known := k.rel[f.File]
		if !known {
			rel = c.relative(f.File)
			k.rel[f.File] = rel
		}
		if !k.exempt && c.excludes(rel) || !k.plan.apply(f, rel) {
			return false
		}
	}
	f.Fails = k.fails && f.Severity >= k.level
	return true
}

// commentPlace is one rule's name in one comment.
type commentPlace struct {
	file string
	at   recipe.Position
}

// judge reports what is wrong with a file's comments that hide findings. That one
// hides nothing is only known once all targets with the file were looked at.
func (l *look) judge(texts *texts, i *ignores, kept *keeper) {
	var about, unused []Finding
	report := func(id string, at recipe.Range, format string, args ...any) {
		n, on := l.plan.index[id]
		if !on {
			return
		}
		rule := &l.plan.rules[n]
		f := Finding{
			Rule: id, Name: rule.Name, Severity: rule.Severity, Message: fmt.Sprintf(format, args...),
			File: at.File, Start: at.Start, End: at.End,
		}
		if id == unusedIgnore {
			unused = append(unused, f)
			return
		}
		about = append(about, f)
	}
	for n := range i.list {
		l.judgeOne(i, &i.list[n], report)
	}
	if i.dropped != nil {
		report(unknownIgnore, *i.dropped, "%q: more than %d such comments are in this file; this one and those below hide nothing", i.text.Slice(*i.dropped), maxIgnores)
	}
	l.findings = append(l.findings, kept.those(texts.settle(about, l.target.Dir))...)
	l.unused = append(l.unused, kept.those(texts.settle(unused, l.target.Dir))...)
}

// those are the findings that count.
func (k *keeper) those(found []Finding) []Finding {
	kept := found[:0]
	for _, f := range found {
		if k.keeps(&f) {
			kept = append(kept, f)
		}
	}
	return kept
}

func (l *look) judgeOne(i *ignores, g *ignore, report func(id string, at recipe.Range, format string, args ...any)) {
	said := i.text.Slice(g.at)
	if g.suffix != "" && !g.forFile() {
		report(unknownIgnore, g.at, "%q is no comment that galley knows; expected %s or %s", said, ignoreMark, ignoreMark+fileSuffix)
		return
	}
	if len(g.names) == 0 {
		report(unknownIgnore, g.at, "%q names no rule; expected one, such as %s R004, and a reason", said, ignoreMark+g.suffix)
		return
	}
	known := false
	for k := range g.names {
		known = l.judgeName(g, &g.names[k], report) || known
	}
	if known && g.reason == "" {
		report(ignoreReason, g.at, "%q gives no reason; expected one behind the rule", said)
	}
}

// judgeName tells whether there is a rule of that name that comments may hide
// the findings of.
func (l *look) judgeName(g *ignore, name *ignoredName, report func(id string, at recipe.Range, format string, args ...any)) bool {
	n := slices.IndexFunc(l.plan.chooser.rules, func(r Rule) bool { return closeness(&r, name.text) == exactly })
	switch {
	case n < 0 && isFamily(name.text):
		report(unknownIgnore, name.at, "%q is a family of rules; expected a rule's own ID: a comment hides what it names", name.text)
		return false
	case n < 0:
		if best := likeRule(l.plan.chooser.rules, name.text); best != "" {
			report(unknownIgnore, name.at, "no rule is called %q; did you mean %q?", name.text, best)
			return false
		}
		report(unknownIgnore, name.at, "no rule is called %q; expected an ID like R004 or a rule's name", name.text)
		return false
	case aboutIgnores(l.plan.chooser.rules[n].ID):
		report(unknownIgnore, name.at, "%q is about comments that hide findings, and no comment hides it; expected %s to turn it off", name.text, ConfigName)
		return false
	}
	rule := &l.plan.chooser.rules[n]
	switch {
	case name.used || !l.looked(rule):
		if l.inUse == nil {
			l.inUse = map[commentPlace]bool{}
		}
		l.inUse[commentPlace{path.Join(l.target.Dir, name.at.File), name.at.Start}] = true
	case g.forFile() && g.last < math.MaxInt:
		report(unusedIgnore, name.at, "%s hides nothing here: %s counts at the top of a file", name.text, ignoreMark+fileSuffix)
	case g.forFile():
		report(unusedIgnore, name.at, "%s hides nothing: the rule finds nothing in this file", name.text)
	case g.last < g.first:
		report(unusedIgnore, name.at, "%s hides nothing: no line follows", name.text)
	case g.last > g.first:
		report(unusedIgnore, name.at, "%s hides nothing: the rule finds nothing in lines %d to %d", name.text, g.first, g.last)
	default:
		report(unusedIgnore, name.at, "%s hides nothing: the rule finds nothing in line %d", name.text, g.first)
	}
	return true
}

// looked tells whether a rule ran over the target and could see all it asks for.
func (l *look) looked(rule *Rule) bool {
	if _, on := l.plan.index[rule.ID]; !on || !l.applies(rule) {
		return false
	}
	return !slices.ContainsFunc(l.skips, func(s Skip) bool { return s.Rule == rule.ID }) &&
		!slices.ContainsFunc(l.bugs, func(e *RuleError) bool { return e.Rule == rule.ID })
}

// unusedIgnores are the comments that hide nothing in any target that has their
// file.
func unusedIgnores(looks []look) []Finding {
	inUse := map[commentPlace]bool{}
	for i := range looks {
		for p := range looks[i].inUse {
			inUse[p] = true
		}
	}
	var found []Finding
	for i := range looks {
		for _, f := range looks[i].unused {
			if !inUse[commentPlace{f.File, f.Start}] {
				found = append(found, f)
			}
		}
	}
	return found
}
