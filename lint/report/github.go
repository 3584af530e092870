package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

// githubReport is a workflow command for each finding, which GitHub (and Forgejo
// and Gitea, which took them over) shows beside the changed lines, and the summary
// as a last line of plain log. Columns are code points, and the end column is the
// last one that is marked: GitHub takes the two as one range on one line, and none
// for a range over several.
func githubReport(r *lint.Result, _ Options) ([]byte, error) {
	var out bytes.Buffer
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(&out, "::%s file=%s,line=%d,endLine=%d", githubLevel(f.Severity), property(f.File), f.Start.Line, max(f.Start.Line, f.End.Line))
		if f.End.Line <= f.Start.Line {
			fmt.Fprintf(&out, ",col=%d,endColumn=%d", f.Start.Column, max(f.Start.Column, f.End.Column-1))
		}
		fmt.Fprintf(&out, ",title=%s::%s\n", property(f.Rule+" "+f.Name), commandData(strings.Join(paragraphs(f), "\n")))
	}
	out.WriteString(total(r) + "\n")
	return out.Bytes(), nil
}

func githubLevel(s lint.Severity) string {
	if s == lint.Info {
		return "notice"
	}
	return s.String()
}

// commandData escapes what would end a workflow command's line. It is for text
// that visible made, but for its own line ends.
func commandData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property is a workflow command's value, in which colons and commas count too.
func property(s string) string {
	return strings.NewReplacer("%", "%25", ":", "%3A", ",", "%2C").Replace(visible(s))
}

// paragraphs are a finding's message, notes and fix, a line each.
func paragraphs(f *lint.Finding) []string {
	lines := []string{visible(f.Message)}
	for _, r := range f.Related {
		lines = append(lines, fmt.Sprintf("note: %s: %s", place(r.File, r.Start), visible(r.Message)))
	}
	if f.Fix != nil {
		lines = append(lines, "fix: "+visible(fixTitle(f.Fix)))
	}
	return lines
}
