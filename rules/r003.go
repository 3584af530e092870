package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var r003 = lint.Rule{
	ID: "R003", Name: "image-tag",
	Summary:  "every image has a tag",
	Severity: lint.Warning,
	Check:    checkImageTag,
}

func checkImageTag(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		problem := i.tagProblem()
		if problem == "" {
			return false
		}
		p.Reportf(i.place(), "image %q of service %q %s", i.written(), i.service, problem)
		return true
	})
}

// tagProblem says why an image has no tag that can be used, "" when it has one.
// Without a tag docker takes latest, and a digest alone tells nobody a version.
func (i image) tagProblem() string {
	read := ""
	if i.reading.text != i.node.Text() && !i.reading.guessed() {
		read = fmt.Sprintf(" (it reads %q)", shorten(i.reading.text))
	}
	switch {
	case strings.HasSuffix(strings.SplitN(i.reading.text, "@", 2)[0], ":"):
		return fmt.Sprintf("has an empty tag%s; expected name:tag", read)
	case i.err != nil:
		return fmt.Sprintf("is no image reference%s: %s; expected name:tag", read, innermost(i.err))
	case i.tag != "":
		return ""
	case strings.Contains(i.reading.text, "@"):
		return fmt.Sprintf("has a digest and no tag%s; expected name:tag@digest", read)
	case i.reading.guessed():
		return "has no tag beside variables that neither a default nor the recipe gives a value; expected name:tag"
	}
	return fmt.Sprintf("has no tag%s, which means latest; expected name:tag", read)
}

// innermost is the text of the error that all others wrap, on one line.
func innermost(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	return strings.TrimPrefix(text, "invalid reference format: ")
}
