package catalogue

import (
	"cmp"
	"fmt"
	"strings"
)

// Markdown writes the difference as release notes: a section for each recipe, with
// the release notes of its new versions quoted and a table of what the newest
// version's images are now. What recipes say stands in it as text, not as markup.
func (d *Difference) Markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Changes of %s\n", markText(cmp.Or(d.After.Name, d.Before.Name, d.After.Location)))
	if d.Same {
		out.WriteString("\nNone.\n")
	} else if d.Before.Name != "" && d.Before.Name != d.After.Name {
		fmt.Fprintf(&out, "\nThe catalogue was called %s.\n", markText(d.Before.Name))
	}
	if len(d.Broken) > 0 {
		out.WriteString("\n**Warning: what is published changed, which must never happen. Compare it before anything is deployed.**\n\n")
	}
	for _, b := range d.Broken {
		fmt.Fprintf(&out, "- %s %s: %s\n", markCode(b.Recipe), markCode(b.Version), markText(b.text()))
	}
	heading(&out, "New recipes", len(d.Added))
	for _, r := range d.Added {
		r.markdown(&out)
	}
	heading(&out, "Changed recipes", len(d.Changed))
	for _, c := range d.Changed {
		c.markdown(&out)
	}
	heading(&out, "Removed recipes", len(d.Removed))
	for i, r := range d.Removed {
		if i == 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "- %s, newest version %s\n", markCode(r.Name), markText(r.newest()))
	}
	return out.String()
}

func heading(out *strings.Builder, title string, count int) {
	if count > 0 {
		fmt.Fprintf(out, "\n## %s\n", title)
	}
}

func (r RecipeSummary) markdown(out *strings.Builder) {
	fmt.Fprintf(out, "\n### %s %s\n", markText(r.Name), markText(r.newest()))
	if r.Description != "" {
		fmt.Fprintf(out, "\n%s\n", markText(r.Description))
	}
	if r.Newest == nil {
		return
	}
	quote(out, r.Newest.Notes)
	var images []ImageChange
	for _, pin := range r.Newest.Images {
		images = append(images, ImageChange{After: &pin})
	}
	imageTable(out, images)
}

func (c RecipeChange) markdown(out *strings.Builder) {
	fmt.Fprintf(out, "\n### %s", markText(c.Name))
	if c.Newest != nil {
		fmt.Fprintf(out, ": %s", markText(c.Newest.text()))
	}
	out.WriteString("\n")
	for _, v := range c.Added {
		fmt.Fprintf(out, "\n**%s**, %s\n", markText(v.Version), markText(v.text()))
		quote(out, v.Notes)
	}
	if c.Newest != nil {
		imageTable(out, c.Newest.Images)
	}
	others := c.others(wholeDigest)
	if len(others) == 0 {
		return
	}
	out.WriteString("\n")
	for _, r := range others {
		text := r.kind
		if r.subject != "" {
			text += " " + markCode(r.subject)
		}
		if r.text != "" {
			text += ": " + markText(r.text)
		}
		fmt.Fprintf(out, "- %s\n", text)
	}
}

func imageTable(out *strings.Builder, images []ImageChange) {
	if len(images) == 0 {
		return
	}
	out.WriteString("\n| Image | Before | Now |\n|---|---|---|\n")
	for _, i := range images {
		fmt.Fprintf(out, "| %s | %s | %s |\n", markCode(i.repository()), markPin(i.Before), markPin(i.After))
	}
}

func markPin(p *Pin) string {
	if p == nil {
		return "none"
	}
	return markCode(p.text(wholeDigest))
}

// quote writes foreign text that may have markup of its own: it stays inside the
// quotation, and HTML is not passed on.
func quote(out *strings.Builder, notes string) {
	notes = cleanText(notes, maxNotes)
	if notes == "" {
		return
	}
	out.WriteString("\n")
	for line := range strings.SplitSeq(notes, "\n") {
		out.WriteString(strings.TrimRight("> "+strings.ReplaceAll(line, "<", "&lt;"), " \t") + "\n")
	}
}

// markText is foreign text without the marks that Markdown reads.
func markText(text string) string {
	var out strings.Builder
	for _, r := range cleanLine(text, maxLine) {
		if strings.ContainsRune("\\`*_[]<>|#~&!", r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// markCode is text as code, in a table as well.
func markCode(text string) string {
	return "`" + strings.NewReplacer("`", "'", "|", "\\|").Replace(cleanLine(text, maxLine)) + "`"
}
