package recipe

import (
	"regexp"
	"slices"
	"strings"
)

// NotesBetween are the notes of the versions that a change from one version to
// another passes, the oldest first: those behind from, up to to. Going back they
// are those of the versions that are left: behind to, up to from; and leaving
// says so. With no from, or with one that is no version, there is nothing to
// pass, and the notes of to alone are what is new.
//
// Notes for the version to come, empty ones, and files whose names are no
// versions are left out.
func NotesBetween(notes []Note, from, to string) (between []Note, leaving bool) {
	end, err := ParseVersion(to)
	if err != nil {
		return nil, false
	}
	start, err := ParseVersion(from)
	known := err == nil
	if known && start.Compare(end) > 0 {
		start, end, leaving = end, start, true
	}
	for _, n := range notes {
		v, err := n.Parsed()
		switch {
		case err != nil || n.Body() == "":
		case !known && v.Compare(end) != 0:
		case known && v.Compare(start) <= 0, v.Compare(end) > 0:
		default:
			between = append(between, n)
		}
	}
	slices.SortStableFunc(between, func(a, b Note) int {
		x, _ := a.Parsed() // they were parsed above
		y, _ := b.Parsed()
		return x.Compare(y)
	})
	return between, leaving
}

// irreversible finds what maintainers write of a version that cannot be left
// again. It errs towards finding: the word is enough, whatever is said of it.
var irreversible = regexp.MustCompile(`(?i)\birreversibl[ey]\b|\b(?:cannot|can ?not|can['’]?t) be rolled[ -]?back\b|\bno roll-?back\b`)

// Irreversible tells whether the notes say that the version cannot be rolled
// back: by the word "irreversible", "cannot be rolled back" or "no rollback", in
// any case and over the end of a line.
func (n Note) Irreversible() bool {
	return irreversible.MatchString(strings.Join(strings.Fields(n.Body()), " "))
}
