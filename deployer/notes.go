package deployer

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// notes are a plan's release notes.
func notes(all []recipe.Note, from, to string) []Note {
	between, leaving := recipe.NotesBetween(all, from, to)
	notes := []Note{}
	for _, n := range between {
		notes = append(notes, Note{Version: n.Version, Text: n.Body(), Irreversible: n.Irreversible(), Leaving: leaving})
	}
	return notes
}

// What of the release notes is printed, in lines; JSON has them whole.
const (
	maxNoteLines  = 12 // of one version
	maxNotesLines = 60 // of all
)

// renderNotes prints what maintainers wrote, quoted where it could steer a
// terminal. When there is more than fits, the versions are named and their
// warnings stay.
func renderNotes(out *strings.Builder, notes []Note) {
	left := maxNotesLines
	for _, n := range notes {
		fmt.Fprintf(out, "  notes of %s%s\n", printable(n.Version), n.marks())
		lines := strings.Split(n.Text, "\n")
		shown := min(len(lines), maxNoteLines, max(left, 0))
		for _, line := range lines[:shown] {
			fmt.Fprintf(out, "    | %s\n", clip(printable(untab(line)), 200))
		}
		if rest := len(lines) - shown; rest > 0 {
			fmt.Fprintf(out, "    | (%d more lines, in --output json)\n", rest)
		}
		left -= shown
	}
}

// untab keeps indented text readable: a tab is not printable.
func untab(line string) string {
	return strings.ReplaceAll(strings.TrimRight(line, " \t"), "\t", "    ")
}

// marks say in brackets what there is to know of a version before its notes.
func (n Note) marks() string {
	var marks []string
	if n.Leaving {
		marks = append(marks, "which is left")
	}
	if n.Irreversible {
		marks = append(marks, "says that it cannot be rolled back")
	}
	if len(marks) == 0 {
		return ""
	}
	return " (" + strings.Join(marks, "; ") + ")"
}
