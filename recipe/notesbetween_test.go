package recipe

import (
	"strings"
	"testing"
)

func notesOf(versions ...string) []Note {
	var notes []Note
	for _, v := range versions {
		notes = append(notes, ParseNote(NewText("release/"+v, []byte("of "+v))))
	}
	return notes
}

func TestNotesBetween(t *testing.T) {
	notes := notesOf("1.0.0+5.9", "1.10.0+5.10", "1.2.0+5.10", "2.0.0+6", "next", "README")
	notes = append(notes, ParseNote(NewText("release/1.3.0+5.10", []byte(" \n"))))
	for _, c := range []struct {
		from, to, want string
		leaving        bool
	}{
		{"1.0.0+5.9", "2.0.0+6", "1.2.0+5.10 1.10.0+5.10 2.0.0+6", false},
		{"1.0.0+5.9", "1.9.0+5.10", "1.2.0+5.10", false},
		{"1.2.0+5.10", "1.2.0+5.10", "", false},
		{"2.0.0+6", "1.2.0+5.10", "1.10.0+5.10 2.0.0+6", true},
		{"", "1.2.0+5.10", "1.2.0+5.10", false},
		{"v1", "1.2.0+5.10", "1.2.0+5.10", false},
		{"1.0.0+5.9", "latest", "", false},
	} {
		between, leaving := NotesBetween(notes, c.from, c.to)
		var got []string
		for _, n := range between {
			got = append(got, n.Version)
		}
		if strings.Join(got, " ") != c.want || leaving != c.leaving {
			t.Errorf("%s to %s: %q, leaving %v; want %q, %v", c.from, c.to, got, leaving, c.want, c.leaving)
		}
	}
}

func TestNoteIrreversible(t *testing.T) {
	for text, want := range map[string]bool{
		"The migration is IRREVERSIBLE.":             true,
		"Irreversibly moves the database":            true,
		"This version cannot be\r\n  rolled back.":   true,
		"can't be rolled back":                       true,
		"it can’t be rolled-back":                    true,
		"No rollback after this":                     true,
		"rolled back by hand with care":              false,
		"the reversible proxy; nobody rollbacks now": false,
		"": false,
	} {
		if got := ParseNote(NewText("release/1.0.0+1", []byte(text))).Irreversible(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
