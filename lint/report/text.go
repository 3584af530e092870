package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
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
	*bytes.Buffer
	palette
	opts Options
}

func textReport(r *lint.Result, opts Options) ([]byte, error) {
	w := &writer{new(bytes.Buffer), colors(opts.Color), opts}
	err := inOrder(w.Buffer, len(r.Findings), func(out *bytes.Buffer, i int) error {
		(&writer{out, w.palette, opts}).finding(&r.Findings[i])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.ListSuppressed {
		w.suppressed(r.Suppressed)
	}
	w.skipped(r.Skipped)
	w.summary(r)
	return w.Bytes(), nil
}

func (w *writer) finding(f *lint.Finding) {
	rule := f.Rule + " " + f.Name
	if w.opts.Links {
		rule = linked(w.opts.page(f.Rule), rule)
	}
	w.write(w.bold, w.place(f.File, f.Start), ":", w.reset, " ",
		w.palette.severity(f.Severity), f.Severity.String(), ":", w.reset, " ",
		visible(f.Message), " ", w.faint, "[", rule, "]", w.reset, "\n")
	gutter := len(strconv.Itoa(f.Start.Line))
	if f.Source != "" {
		w.snippet(f, gutter)
	}
	for _, r := range f.Related {
		fmt.Fprintf(w, " %*s %s=%s note: %s: %s\n", gutter, "", w.faint, w.reset, w.place(r.File, r.Start), visible(r.Message))
	}
	if f.Fix != nil {
		fmt.Fprintf(w, " %*s %s=%s fix: %s\n", gutter, "", w.faint, w.reset, visible(f.Fix.Message))
	}
}

// write is for what there are thousands of; fmt would take half of a report's time.
func (w *writer) write(parts ...string) {
	for _, part := range parts {
		w.WriteString(part)
	}
}

func place(file string, at recipe.Position) string {
	return visible(file) + ":" + strconv.Itoa(at.Line) + ":" + strconv.Itoa(at.Column)
}

func (w *writer) place(file string, at recipe.Position) string {
	if !w.opts.Links {
		return place(file, at)
	}
	return linked(w.opts.fileLink(file), place(file, at))
}

// snippet shows the line and points at the range, to the line's end when it goes
// on below. A line of blanks has nothing to show.
func (w *writer) snippet(f *lint.Finding, gutter int) {
	shown, from, to := clipped(f.Source, f.Start, f.End)
	if strings.TrimSpace(shown) == "" {
		return
	}
	w.write(" ", w.faint, strconv.Itoa(f.Start.Line), " |", w.reset, " ", shown, "\n")
	w.write(" ", w.faint, strings.Repeat(" ", gutter), " |", w.reset, " ",
		strings.Repeat(" ", from), w.green, strings.Repeat("^", to-from), w.reset, "\n")
}

// suppressed writes one line for each finding that a comment hides.
func (w *writer) suppressed(hidden []lint.Suppressed) {
	for i := range hidden {
		f := &hidden[i]
		reason := f.Reason
		if reason == "" {
			reason = "no reason given"
		}
		fmt.Fprintf(w, "%ssuppressed:%s %s: %s [%s]: %s\n", w.faint, w.reset,
			w.place(f.File, f.Start), visible(f.Message), f.Rule, visible(reason))
	}
}

// skipped writes one line for the rules that could not look for the same reason
// in the same places: without git history there are a dozen of them.
func (w *writer) skipped(skips []lint.Skip) {
	type why struct{ reason, targets string }
	var order []why
	alike := map[why][]skipGroup{}
	for _, g := range grouped(skips) {
		key := why{g.reason, strings.Join(g.targets, "\x00")}
		if alike[key] == nil {
			order = append(order, key)
		}
		alike[key] = append(alike[key], g)
	}
	for _, key := range order {
		groups := alike[key]
		names := groups[0].rule + " " + groups[0].name
		for _, g := range groups[1:] {
			names = strings.TrimSuffix(names, " "+groups[0].name) + ", " + g.rule
		}
		fmt.Fprintf(w, "%sskipped:%s %s on %s: %s\n", w.faint, w.reset, names, groups[0].where(), visible(groups[0].reason))
	}
}

// skipGroup is a rule that could not look, for one reason, and where.
type skipGroup struct {
	rule, name, reason string
	targets            []string
}

func grouped(skips []lint.Skip) []skipGroup {
	var groups []skipGroup
	at := map[lint.Skip]int{}
	for _, s := range skips {
		key := s
		key.Target = ""
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, skipGroup{rule: s.Rule, name: s.Name, reason: s.Reason})
		}
		groups[i].targets = append(groups[i].targets, s.Target)
	}
	slices.SortStableFunc(groups, func(a, b skipGroup) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.reason, b.reason))
	})
	return groups
}

func (g skipGroup) where() string {
	if len(g.targets) == 1 {
		return visible(g.targets[0])
	}
	return count(len(g.targets), "target")
}

// summary writes the last line: "12 findings (3 errors, 9 warnings) in 4 targets;
// 2 suppressed, 5 in the baseline".
func (w *writer) summary(r *lint.Result) {
	fmt.Fprintln(w, total(r))
}

func total(r *lint.Result) string {
	line := fmt.Sprintf("%s (%s) in %s", count(len(r.Findings), "finding"), bySeverity(r.Summary), count(r.Summary.Targets, "target"))
	if len(r.Findings) == 0 {
		line = "no findings in " + count(r.Summary.Targets, "target")
	}
	var hidden []string
	if n := r.Summary.Suppressed; n > 0 {
		hidden = append(hidden, fmt.Sprintf("%d suppressed", n))
	}
	if n := r.Summary.Baselined; n > 0 {
		hidden = append(hidden, fmt.Sprintf("%d in the baseline", n))
	}
	if len(hidden) > 0 {
		line += "; " + strings.Join(hidden, ", ")
	}
	return line
}

func bySeverity(s lint.Summary) string {
	var parts []string
	for _, p := range []struct {
		n    int
		noun string
	}{{s.Errors, "error"}, {s.Warnings, "warning"}, {s.Infos, "info"}} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.noun))
		}
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
