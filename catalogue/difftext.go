package catalogue

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// The colours of a rendered Difference, by the mark that a line starts with.
var diffColours = map[byte]string{'!': "\x1b[1;31m", '+': "\x1b[32m", '-': "\x1b[31m", '~': "\x1b[33m"}

const colourEnd = "\x1b[0m"

// Render writes the difference for people, aligned: "!" what must never happen,
// "+" a recipe that is new, "-" one that is gone, "~" one that changed.
func (d *Difference) Render(w io.Writer, colour bool) error {
	var aligned bytes.Buffer
	columns := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range d.rows() {
		fmt.Fprintln(columns, strings.Join(row[:], "\t"))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	out := bytes.NewBufferString("before  " + d.Before.text() + "\nafter   " + d.After.text() + "\n")
	for line := range strings.Lines(aligned.String()) {
		line = strings.TrimRight(line, " \n")
		if start := diffColours[line[0]]; colour && start != "" {
			line = start + line + colourEnd
		}
		out.WriteString(line + "\n")
	}
	out.WriteString(d.total() + "\n")
	_, err := w.Write(out.Bytes())
	return err
}

func (s DiffSide) text() string {
	text := cleanLine(s.Location, maxLine)
	if s.Name != "" {
		text = cleanLine(s.Name, maxName) + ", " + text
	}
	if s.Signed {
		return fmt.Sprintf("%s, version %d", text, s.Version)
	}
	return text + ", unsigned"
}

func (d *Difference) total() string {
	if d.Same {
		return fmt.Sprintf("no difference, %d recipes compared", d.Compared)
	}
	text := fmt.Sprintf("%d added, %d removed, %d changed; %d recipes compared", len(d.Added), len(d.Removed), len(d.Changed), d.Compared)
	if len(d.Broken) > 0 {
		text += fmt.Sprintf("; must never happen: %d", len(d.Broken))
	}
	return text
}

// rows are the lines, without empty ones: a mark and a name, what it is about,
// and the rest.
func (d *Difference) rows() (rows [][3]string) {
	for _, b := range d.Broken {
		rows = append(rows, [3]string{"! " + b.Recipe, b.Version, b.text()})
	}
	for _, r := range d.Added {
		rows = append(rows, [3]string{"+ " + r.Name, r.newest(), cleanLine(r.Description, maxLine)})
	}
	for _, r := range d.Removed {
		rows = append(rows, [3]string{"- " + r.Name, r.newest(), fmt.Sprintf("with %d versions", len(r.Versions))})
	}
	for _, c := range d.Changed {
		step := ""
		if c.Newest != nil {
			step = c.Newest.text()
		}
		rows = append(rows, [3]string{"~ " + c.Name, step, ""})
		for _, r := range c.remarks(shortDigest) {
			rows = append(rows, [3]string{"    " + r.kind, r.subject, r.text})
		}
	}
	return rows
}

// text reads on after the version's name. Digests are whole where they are the
// news.
func (b Broken) text() string {
	switch {
	case b.What == "version":
		return "is published and gone: this must never happen"
	case strings.HasPrefix(b.What, platformsField):
		return b.What + " changed: this must never happen"
	}
	return fmt.Sprintf("%s changed from %s to %s: this must never happen", b.What, cmp.Or(b.Before, "none"), cmp.Or(b.After, "none"))
}

func (r RecipeSummary) newest() string {
	if r.Newest == nil {
		return "all withdrawn"
	}
	return r.Newest.Version
}

func (c NewestChange) text() string {
	return cmp.Or(c.Before, "all withdrawn") + " → " + cmp.Or(c.After, "all withdrawn")
}

// remark is one change of a recipe for people: "withdrawn", a version, why.
type remark struct{ kind, subject, text string }

// remarks are all changes of a recipe but its newest version.
func (c *RecipeChange) remarks(short func(string) string) (all []remark) {
	for _, v := range c.Added {
		all = append(all, remark{"added", v.Version, v.text()})
	}
	if c.Newest != nil {
		for _, i := range c.Newest.Images {
			all = append(all, remark{"image", i.repository(), i.step(short)})
		}
	}
	return append(all, c.others(short)...)
}

// others are the changes beside new versions and what comes with them.
func (c *RecipeChange) others(short func(string) string) (all []remark) {
	for _, version := range c.Removed {
		all = append(all, remark{"removed", version, ""})
	}
	for _, w := range c.Withdrawn {
		all = append(all, w.remark())
	}
	for _, e := range c.Entries {
		all = append(all, e.remarks(short)...)
	}
	for _, f := range c.Fields {
		all = append(all, remark{"recipe", f.Field, f.text()})
	}
	if len(all)+len(c.Added) == 0 && c.Newest == nil {
		all = append(all, remark{"recipe", "", sameContent})
	}
	return all
}

// sameContent is what a signed catalogue never has: galley writes one thing in one
// way only.
const sameContent = "other bytes, of the same content"

func (v VersionSummary) text() string {
	text := verdictText(v.Lint)
	if v.Signer != nil {
		text += ", signed by " + cleanLine(v.Signer.Name, maxName)
	}
	if v.Withdrawn != nil {
		text += ", " + cleanLine(v.Withdrawn.String(), maxLine)
	}
	return text
}

func (w WithdrawalChange) remark() remark {
	switch {
	case w.Before == nil:
		return remark{"withdrawn", w.Version, cleanLine(w.After.String(), maxLine)}
	case w.After == nil:
		return remark{"given back", w.Version, "was " + cleanLine(w.Before.String(), maxLine)}
	}
	return remark{"withdrawn", w.Version, cleanLine(w.Before.String()+" → "+w.After.String(), maxLine)}
}

func (e EntryChange) remarks(short func(string) string) (all []remark) {
	if e.Lint != nil {
		all = append(all, remark{"lint", e.Version, e.Lint.text()})
	}
	for _, i := range e.Images {
		all = append(all, remark{"image", e.Version, i.repository() + " " + i.step(short)})
	}
	for _, f := range e.Fields {
		all = append(all, remark{"entry", e.Version, f.Field + ": " + f.text()})
	}
	if len(all) == 0 {
		all = append(all, remark{"entry", e.Version, sameContent})
	}
	return all
}

// maxShown bounds a changed text on a line for people, in bytes.
const maxShown = 80

func (f FieldChange) text() string {
	show := func(s string) string {
		s = cleanLine(s, maxLine)
		if cut := cleanLine(s, maxShown); cut != s {
			return cut + "…"
		}
		return cmp.Or(s, "none")
	}
	a, b := show(f.Before), show(f.After)
	if a == b || strings.HasPrefix(f.Field, platformsField) {
		return "changed"
	}
	return a + " → " + b
}

func vettedText(v Verdict) string {
	if v.Vetted {
		return "vetted (gate " + v.Gate + ")"
	}
	return "not vetted (gate " + v.Gate + ")"
}

func verdictText(v Verdict) string {
	return fmt.Sprintf("%s: %d errors, %d warnings, %d infos", vettedText(v), v.Errors, v.Warnings, v.Infos)
}

// text names what is another in the verdict.
func (c LintChange) text() string {
	a, b := c.Before, c.After
	var parts []string
	step := func(before, after any, what string) {
		if before != after {
			parts = append(parts, fmt.Sprintf("%v → %v%s", before, after, what))
		}
	}
	step(vettedText(a), vettedText(b), "")
	step(a.Errors, b.Errors, " errors")
	step(a.Warnings, b.Warnings, " warnings")
	step(a.Infos, b.Infos, " infos")
	if n := without(b.Fingerprints, a.Fingerprints); n > 0 {
		parts = append(parts, fmt.Sprintf("new findings: %d", n))
	}
	if n := without(a.Fingerprints, b.Fingerprints); n > 0 {
		parts = append(parts, fmt.Sprintf("findings gone: %d", n))
	}
	if len(parts) == 0 {
		parts = append(parts, "the same verdict")
	}
	if a.RuleSet != b.RuleSet {
		parts = append(parts, "by "+cleanLine(b.RuleSet+" instead of "+a.RuleSet, maxName))
	}
	return strings.Join(parts, ", ")
}

// without counts what is in a and not in b.
func without(a, b []string) int {
	in := map[string]bool{}
	for _, s := range b {
		in[s] = true
	}
	n := 0
	for _, s := range a {
		if !in[s] {
			n++
		}
	}
	return n
}

// repository is what the image's references, old and new, have in common.
func (i ImageChange) repository() string {
	if i.After != nil {
		return repositoryOf(i.After.Reference)
	}
	return repositoryOf(i.Before.Reference)
}

func (i ImageChange) step(short func(string) string) string {
	return i.Before.text(short) + " → " + i.After.text(short)
}

// text is the tag and the digest.
func (p *Pin) text(short func(string) string) string {
	if p == nil {
		return "none"
	}
	tag := strings.TrimPrefix(strings.TrimPrefix(p.Reference, repositoryOf(p.Reference)), ":")
	return strings.TrimSpace(tag + " " + short(p.Digest))
}

// shortDigest is a digest with 12 of its digits, as docker shows it.
func shortDigest(digest string) string {
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) <= 12 {
		return digest
	}
	return algorithm + ":" + hex[:12]
}

func wholeDigest(digest string) string { return digest }
