package report

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
)

// markdownReport is a summary for people: a table of the rules that found
// something, worst first, and the findings of each file. It is GitHub's Markdown,
// which the other forges read too, and HTML is only in it for folding.
func markdownReport(r *lint.Result, opts Options) ([]byte, error) {
	w := &markdown{opts: opts}
	fmt.Fprintf(w, "## galley lint\n\n%s\n", escapeMarkdown(total(r)))
	w.table(r.Findings)
	for _, group := range byFile(r.Findings) {
		w.file(group)
	}
	if r.ListSuppressed {
		w.suppressed(r.Suppressed)
	}
	w.skipped(r.Skipped)
	return w.Bytes(), nil
}

type markdown struct {
	bytes.Buffer
	opts Options
}

func (w *markdown) rule(id string) string { return fmt.Sprintf("[%s](%s)", id, w.opts.page(id)) }

func (w *markdown) table(findings []lint.Finding) {
	type row struct {
		rule, name string
		severity   lint.Severity
	}
	counts := map[row]int{}
	for _, f := range findings {
		counts[row{f.Rule, f.Name, f.Severity}]++
	}
	if len(counts) == 0 {
		return
	}
	rows := slices.SortedFunc(maps.Keys(counts), func(a, b row) int {
		return cmp.Or(-cmp.Compare(a.severity, b.severity), cmp.Compare(a.rule, b.rule))
	})
	w.WriteString("\n| Severity | Rule | | Findings |\n|---|---|---|---:|\n")
	for _, r := range rows {
		fmt.Fprintf(w, "| %s | %s | %s | %d |\n", r.severity, w.rule(r.rule), r.name, counts[r])
	}
}

// file is one file's findings, folded.
func (w *markdown) file(group []lint.Finding) {
	fmt.Fprintf(w, "\n<details>\n<summary>%s: %s</summary>\n\n", escapeHTML(visible(group[0].File)), count(len(group), "finding"))
	for i := range group {
		f := &group[i]
		fmt.Fprintf(w, "- %d:%d **%s** %s %s\n", f.Start.Line, f.Start.Column, f.Severity, w.rule(f.Rule), escapeMarkdown(visible(f.Message)))
		for _, more := range paragraphs(f)[1:] {
			fmt.Fprintf(w, "  - %s\n", escapeMarkdown(more))
		}
	}
	w.WriteString("\n</details>\n")
}

func (w *markdown) suppressed(hidden []lint.Suppressed) {
	if len(hidden) == 0 {
		return
	}
	w.WriteString("\n### Suppressed\n\n")
	for i := range hidden {
		f := &hidden[i]
		fmt.Fprintf(w, "- %s %s %s: %s\n", escapeMarkdown(place(f.File, f.Start)), w.rule(f.Rule),
			escapeMarkdown(visible(f.Message)), escapeMarkdown(visible(cmp.Or(f.Reason, "no reason given"))))
	}
}

func (w *markdown) skipped(skips []lint.Skip) {
	if len(skips) == 0 {
		return
	}
	w.WriteString("\n### Skipped\n\n")
	for _, g := range grouped(skips) {
		fmt.Fprintf(w, "- %s %s on %s: %s\n", w.rule(g.rule), g.name, escapeMarkdown(g.where()), escapeMarkdown(visible(g.reason)))
	}
}

// escapeMarkdown is one line of text as itself: nothing in it is emphasis, code,
// a link, an image, a cell's end, HTML or a mention.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch c {
		case '&', '<', '>', '@':
			fmt.Fprintf(&b, "&#%d;", c)
			continue
		case '\\', '`', '*', '_', '{', '}', '[', ']', '#', '|', '~', '!', '$':
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "@", "&#64;").Replace(s)
}
