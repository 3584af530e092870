package lsp

import (
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/galley-coop/galley/recipe"
)

func TestPagePosition(t *testing.T) {
	for _, test := range []struct {
		name, before string
		want         position
	}{
		{"start", "", position{0, 0}},
		{"ASCII", "ab", position{0, 2}},
		{"two bytes, one unit", "ü", position{0, 1}},
		{"four bytes, two units", "🚢", position{0, 2}},
		{"not UTF-8", "\xff\xfe", position{0, 2}},
		{"LF", "a\nb", position{1, 1}},
		{"CR LF", "a\r\nb", position{1, 1}},
		{"CR alone", "a\rb", position{1, 1}},
		{"empty last line", "a\n", position{1, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := newPage([]byte(test.before + "!")).position(len(test.before)); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// The text that the linter has and the page that the editor has differ in a byte
// order mark at most, in either direction.
func TestPlacedMark(t *testing.T) {
	const bare, marked = "ab: c\n", "\ufeffab: c\n"
	at := func(column int) recipe.Position { return recipe.Position{Line: 1, Column: column} }
	for _, test := range []struct {
		name, page, text string
		column           int
		want             uint32
	}{
		{"neither", bare, bare, 2, 1},
		{"both", marked, marked, 3, 2},
		{"page", marked, bare, 2, 2},
		{"text", bare, marked, 3, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := place("/x", &document{text: []byte(test.page)}, recipe.NewText("x", []byte(test.text)))
			if got := p.position(at(test.column)); got != (position{0, test.want}) {
				t.Errorf("got %+v, want character %d", got, test.want)
			}
		})
	}
}

func TestPlacesOfNoSense(t *testing.T) {
	p := place("/x", nil, recipe.NewText("x", []byte("ab\ncd")))
	start, far := recipe.Position{}, recipe.Position{Line: 9, Column: 9}
	last := recipe.Position{Line: 2, Column: 3}
	if got := p.textRange(start, far); got != (textRange{}) {
		t.Errorf("an unknown place is at %+v", got)
	}
	if got := p.textRange(last, start); got != (textRange{position{1, 2}, position{1, 2}}) {
		t.Errorf("a range that ends before it starts is at %+v", got)
	}
}

// FuzzPagePosition compares with the plain way: encode the line, and count.
func FuzzPagePosition(f *testing.F) {
	f.Add("ü🚢\r\nb\rc\n", 5)
	f.Fuzz(func(t *testing.T, text string, offset int) {
		if offset < 0 || offset > len(text) || !utf8.ValidString(text) || !utf8.ValidString(text[:offset]) {
			return
		}
		before := text[:offset]
		if strings.HasSuffix(before, "\r") && strings.HasPrefix(text[offset:], "\n") {
			return // between CR and LF: no place that a finding has
		}
		lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(before, "\r\n", "\n"), "\r", "\n"), "\n")
		last := lines[len(lines)-1]
		want := position{uint32(len(lines) - 1), uint32(len(utf16.Encode([]rune(last))))}
		if got := newPage([]byte(text)).position(offset); got != want {
			t.Errorf("offset %d of %q: got %+v, want %+v", offset, text, got, want)
		}
	})
}

func TestPathOf(t *testing.T) {
	for uri, want := range map[string]string{
		"file:///a/b.yml":            "/a/b.yml",
		"file:///a%20b/%C3%BC.yml":   "/a b/ü.yml",
		"file://localhost/a.yml":     "/a.yml",
		"FILE:///a.yml":              "/a.yml",
		"file:///a/../b/./c.yml":     "/b/c.yml",
		"file:///../../etc/x.yml":    "/etc/x.yml",
		"file://server/a.yml":        "",
		"file:///":                   "",
		"file:///a%00b":              "",
		"file:a.yml":                 "",
		"untitled:Untitled-1":        "",
		"vscode-vfs://github/a.yml":  "",
		"%zz":                        "",
		"":                           "",
		"file:///a?x#compose.yml":    "/a",
		"git:/a/compose.yml?ref=abc": "",
	} {
		got, ok := pathOf(uri)
		if got != want && ok || ok != (want != "") {
			t.Errorf("%q is %q, %v; want %q", uri, got, ok, want)
		}
	}
}

func TestURIsRoundTrip(t *testing.T) {
	for _, name := range []string{"/a/b.yml", "/a b/ü🚢#?%.yml", "/c:/x"} {
		if got, ok := pathOf(uriOf(name)); !ok || got != name {
			t.Errorf("%q became %q by way of %q", name, got, uriOf(name))
		}
	}
}
