package recipe

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReadmeTitleAndDescription(t *testing.T) {
	for _, c := range []struct{ text, title, description string }{
		{"", "", ""},
		{"# A\n\nB c.\nD\n\nE\n", "A", "B c. D"},
		{"# A #\nB", "A", "B"},
		{"A\n===\n\nB\n---\nC\n", "A", ""},
		{"text first\n\n# A\n\n> B\n> c\n", "A", "B c"},
		{"\ufeff# A\r\n\r\nB\r\n", "A", "B"},
		{"# A\n\n## B\n\nC\n", "A", ""},
		{"# A\n\n* b\n  c\n\nD\n", "A", "D"},
		{"# A\n\n1. b\n\n## C\n", "A", ""},
		{"# A\n\n```\nb\n```\nC\n", "A", "C"},
		{"# A\n\n~~~sh\n# b\n~~~\n", "A", ""},
		{"# A\n\n<!-- b\n# c\n-->\n\nD\n", "A", "D"},
		{"# A\n\n<!-- metadata -->\n* **B**: c\n<!-- endmetadata -->\n\nD\n", "A", "D"},
		{"# A\n\n![b](c.png)\n\nD <https://e.example> `f` _g_ [h][1] <b>i</b>\n", "A", "D https://e.example f _g_ h i"},
		{"## B\n\nC\n", "", ""},
		{"# snake_case __x__\n\nsnake_case\n", "snake_case x", "snake_case"},
	} {
		r := parseReadme(c.text)
		if r.Title != c.title || r.Description != c.description {
			t.Errorf("%q: got %q, %q; want %q, %q", c.text, r.Title, r.Description, c.title, c.description)
		}
	}
}

func FuzzParseReadme(f *testing.F) {
	f.Add([]byte(sampleReadme))
	f.Add([]byte("x\n=\n<!-- metadata -->\r\n- **a:** b\n~~~\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := ParseReadme(NewText("README.md", data))
		if !utf8.ValidString(r.Title) || !utf8.ValidString(r.Description) || strings.Contains(r.Description, "\n") {
			t.Fatalf("title %q, description %q", r.Title, r.Description)
		}
		if r.Metadata == nil {
			return
		}
		for _, field := range r.Metadata.Fields {
			if utf8.Valid(data) && (r.Text.Slice(field.KeyRange) != field.Key || r.Text.Slice(field.ValueRange) != field.Value) {
				t.Fatalf("ranges of %+v cover %q and %q", field, r.Text.Slice(field.KeyRange), r.Text.Slice(field.ValueRange))
			}
		}
		r.Metadata.Image()
		if status, ok := r.Metadata.Status(); ok && (status < 0 || status > MaxStatus) {
			t.Fatalf("status %d", status)
		}
	})
}
