package deployer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// RenderOptions say how a plan is printed.
type RenderOptions struct {
	Color bool
	// Unchanged lists objects that stay as they are, too.
	Unchanged bool
	// Client lists every field that another client left; without it they are one
	// line for each service.
	Client bool
}

// The colours of a terminal (ECMA-48), by what happens to an object.
var colors = map[Action]string{Create: "\x1b[32m", Update: "\x1b[33m", Remove: "\x1b[31m"}

const colorOff = "\x1b[0m"

var signs = map[Action]string{Create: "+", Update: "~", Remove: "-", Keep: "="}

// Render prints the plan for people: one line for each object, below it the
// fields that change. What a recipe or another client wrote is quoted where it
// could steer a terminal.
func (p *Plan) Render(w io.Writer, options RenderOptions) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s %s\n", printable(p.Stack), printable(p.Recipe), p.versions())
	width := 0
	for _, c := range p.Changes {
		width = max(width, utf8.RuneCountInString(c.Name))
	}
	for _, c := range p.Changes {
		if c.Action != Keep || options.Unchanged {
			c.render(&out, width, options)
		}
	}
	renderNotes(&out, p.Notes)
	for _, warning := range p.Warnings {
		fmt.Fprintf(&out, "  ! %s\n", printable(warning))
	}
	if len(p.UnusedSecrets) > 0 {
		fmt.Fprintf(&out, "  secrets that nothing uses: %s\n", printable(strings.Join(p.UnusedSecrets, ", ")))
	}
	out.WriteString(p.summary())
	_, err := io.WriteString(w, out.String())
	return err
}

// versions are the one that runs and the one that is wanted, or both in one.
func (p *Plan) versions() string {
	if p.From == p.To {
		return printable(p.To)
	}
	return printable(cmp.Or(p.From, "not deployed")) + " → " + printable(p.To)
}

func (p *Plan) summary() string {
	if p.Empty() {
		return "nothing to change\n"
	}
	counts, restarts := p.counts(), 0
	for _, c := range p.Changes {
		if c.Restarts && c.Action == Update {
			restarts++
		}
	}
	restarting := ""
	switch {
	case restarts == 1:
		restarting = " (1 service restarts)"
	case restarts > 1:
		restarting = fmt.Sprintf(" (%d services restart)", restarts)
	}
	return fmt.Sprintf("%d to create, %d to change%s, %d to remove, %d unchanged\n",
		counts[Create], counts[Update], restarting, counts[Remove], counts[Keep])
}

// note says what a change means for a running service.
func (c Change) note() string {
	switch {
	case c.Kind != "service" || c.Action != Update:
		return ""
	case c.Replace:
		return c.Downtime.String()
	case c.Restarts:
		return "restarts; " + c.Downtime.String()
	case c.Downtime.Expected != NoDowntime:
		return c.Downtime.String()
	}
	return "does not restart"
}

func (c Change) render(out *strings.Builder, width int, options RenderOptions) {
	line := fmt.Sprintf("%s %-7s %-*s  %s", signs[c.Action], c.Kind, width, printable(c.Name), c.note())
	line = strings.TrimRight(line, " ")
	if color := colors[c.Action]; options.Color && color != "" {
		line = color + line + colorOff
	}
	fmt.Fprintf(out, "  %s\n", line)
	fields, left := byOrigin(c.shownFields())
	if options.Client {
		fields, left = c.shownFields(), nil
	}
	pathWidth := 0
	for _, f := range fields {
		pathWidth = max(pathWidth, utf8.RuneCountInString(fieldName(f.Path)))
	}
	if c.Scaled != nil {
		fmt.Fprintf(out, "      replicas stay at %s\n", c.Scaled)
	}
	for _, f := range fields {
		name := printable(fieldName(f.Path))
		if c.Action == Create {
			fmt.Fprintf(out, "      %-*s  %s\n", pathWidth, name, shownValue(f.Path, f.New))
			continue
		}
		before, after := shownPair(f)
		if before == after { // masked, or cut before the difference
			after = "(another value)"
		}
		fmt.Fprintf(out, "      %-*s  %s → %s\n", pathWidth, name, before, after)
	}
	if len(left) > 0 {
		fmt.Fprintf(out, "      %s\n", leftByClient(left))
	}
}

// shownFields leaves out what another field says already: docker's label that
// repeats the image. JSON has every field.
func (c Change) shownFields() []Field {
	return slices.DeleteFunc(slices.Clone(c.Fields), func(f Field) bool { return f.Path == "Labels[com.docker.stack.image]" })
}

// fieldName leaves out what every path of a service starts with.
func fieldName(path string) string {
	path = strings.TrimPrefix(path, "TaskTemplate.")
	return strings.TrimPrefix(path, "ContainerSpec.")
}

// maxShown is how much of a value is printed, in characters; JSON has it whole.
const maxShown = 120

func shownValue(path, value string) string {
	switch path {
	case imagePath:
		value = ShortImage(value)
	case "Labels[" + LabelEntry + "]":
		value = value[:min(12, len(value))]
	}
	if value == "" {
		return "(none)"
	}
	value = printable(value)
	if runes := []rune(value); len(runes) > maxShown {
		return string(runes[:maxShown-1]) + "…"
	}
	return value
}

// shownPair is a field before and after. Of two images of one repository only what
// differs is shown, the tag and the digest.
func shownPair(f Field) (before, after string) {
	before, after = shownValue(f.Path, f.Old), shownValue(f.Path, f.New)
	if f.Path != imagePath {
		return before, after
	}
	nameBefore, restBefore := splitImage(before)
	nameAfter, restAfter := splitImage(after)
	if nameBefore != nameAfter || restBefore == "" || restAfter == "" {
		return before, after
	}
	return restBefore, restAfter
}

// splitImage parts an image's repository from its tag and digest.
func splitImage(image string) (repository, rest string) {
	end := strings.LastIndexByte(image, '/') + 1 // a registry's port is no tag
	if i := strings.IndexAny(image[end:], ":@"); i >= 0 {
		return image[:end+i], strings.TrimPrefix(image[end+i:], ":")
	}
	return image, ""
}

// ShortImage cuts a pinned image's digest to the twelve digits that people compare.
func ShortImage(image string) string {
	name, digest, ok := strings.Cut(image, "@sha256:")
	if !ok || len(digest) < 12 {
		return image
	}
	return name + "@sha256:" + digest[:12]
}

// printable quotes a text with control characters or broken UTF-8.
func printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
