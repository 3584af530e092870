package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// palette gives the escape sequences, all empty without colours.
type palette struct{ bold, red, yellow, blue, green, faint, reset string }

func colors(on bool) palette {
	if !on {
		return palette{}
	}
	return palette{
		bold: "\x1b[1m", red: "\x1b[1;31m", yellow: "\x1b[1;33m", blue: "\x1b[1;34m",
		green: "\x1b[32m", faint: "\x1b[2m", reset: "\x1b[0m",
	}
}

func (p palette) severity(s lint.Severity) string {
	switch s {
	case lint.Error:
		return p.red
	case lint.Warning:
		return p.yellow
	}
	return p.blue
}

// writer collects a text report.
type writer struct {
	bytes.Buffer
	palette
}

func text(r *lint.Result, color bool) []byte {
	w := &writer{palette: colors(color)}
	for i := range r.Findings {
		w.finding(&r.Findings[i])
	}
	w.skipped(r.Skipped)
	w.summary(r)
	return w.Bytes()
}

func (w *writer) finding(f *lint.Finding) {
	fmt.Fprintf(w, "%s%s:%d:%d:%s %s%s:%s %s %s[%s %s]%s\n",
		w.bold, visible(f.File), f.Start.Line, f.Start.Column, w.reset,
		w.palette.severity(f.Severity), f.Severity, w.reset,
		visible(f.Message), w.faint, f.Rule, f.Name, w.reset)
	gutter := len(fmt.Sprint(f.Start.Line))
	if f.Source != "" {
		w.snippet(f, gutter)
	}
	for _, r := range f.Related {
		fmt.Fprintf(w, " %*s %s=%s note: %s: %s\n", gutter, "", w.faint, w.reset, place(r.File, r.Start), visible(r.Message))
	}
	if f.Fix != nil {
		fmt.Fprintf(w, " %*s %s=%s fix: %s\n", gutter, "", w.faint, w.reset, visible(f.Fix.Message))
	}
}

func place(file string, at recipe.Position) string {
	return fmt.Sprintf("%s:%d:%d", visible(file), at.Line, at.Column)
}

// snippet shows the line and points at the range, to the line's end when it goes
// on below. A line of blanks has nothing to show.
func (w *writer) snippet(f *lint.Finding, gutter int) {
	line := render(f.Source, f.Start.Column)
	from, to := line.cell(f.Start.Column), line.cell(f.End.Column)
	if f.End.Line > f.Start.Line {
		to = line.width()
	}
	shown, from, to := line.clip(from, max(to, from+1))
	if strings.TrimSpace(shown) == "" {
		return
	}
	fmt.Fprintf(w, " %s%d |%s %s\n", w.faint, f.Start.Line, w.reset, shown)
	fmt.Fprintf(w, " %s%*s |%s %s%s%s%s\n", w.faint, gutter, "", w.reset,
		strings.Repeat(" ", from), w.green, strings.Repeat("^", to-from), w.reset)
}

// skipped writes one line for each rule and reason.
func (w *writer) skipped(skips []lint.Skip) {
	type group struct{ rule, name, reason string }
	targets := map[group][]string{}
	var groups []group
	for _, s := range skips {
		g := group{s.Rule, s.Name, s.Reason}
		if targets[g] == nil {
			groups = append(groups, g)
		}
		targets[g] = append(targets[g], s.Target)
	}
	slices.SortStableFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.reason, b.reason))
	})
	for _, g := range groups {
		where := count(len(targets[g]), "target")
		if len(targets[g]) == 1 {
			where = visible(targets[g][0])
		}
		fmt.Fprintf(w, "%sskipped:%s %s %s on %s: %s\n", w.faint, w.reset, g.rule, g.name, where, visible(g.reason))
	}
}

// summary writes the last line: "12 findings (3 errors, 9 warnings) in 4 targets".
func (w *writer) summary(r *lint.Result) {
	in := count(r.Summary.Targets, "target")
	if len(r.Findings) == 0 {
		fmt.Fprintf(w, "no findings in %s\n", in)
		return
	}
	var parts []string
	for _, p := range []struct {
		n    int
		noun string
	}{{r.Summary.Errors, "error"}, {r.Summary.Warnings, "warning"}, {r.Summary.Infos, "info"}} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.noun))
		}
	}
	fmt.Fprintf(w, "%s (%s) in %s\n", count(len(r.Findings), "finding"), strings.Join(parts, ", "), in)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
