package report

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/galley-coop/galley/lint"
)

// shownUnder gives the shown line and the one with the carets, without gutters.
func shownUnder(t *testing.T, f lint.Finding) (line, carets string) {
	t.Helper()
	w := &writer{Buffer: new(bytes.Buffer)}
	w.snippet(&f, 1)
	if w.Len() == 0 {
		return "", ""
	}
	lines := strings.Split(w.String(), "\n")
	if len(lines) != 3 || lines[2] != "" {
		t.Fatalf("snippet = %q, want two lines", w.String())
	}
	for i, gutter := range []string{" 1 | ", "   | "} {
		var ok bool
		if lines[i], ok = strings.CutPrefix(lines[i], gutter); !ok {
			t.Fatalf("line %q has no gutter %q", lines[i], gutter)
		}
	}
	return lines[0], lines[1]
}

func TestCaretsLineUp(t *testing.T) {
	tests := []struct {
		name, source string
		from, to     int
		line, carets string
	}{
		{"plain", "image: a:latest", 10, 16, "image: a:latest", "         ^^^^^^"},
		{"empty range", "image:", 7, 7, "image:", "      ^"},
		{"a tab before", "\timage:\ta", 9, 10, "    image:  a", "            ^"},
		{"a tab inside", "a\tb", 1, 4, "a   b", "^^^^^"},
		{"ü is one cell", "ü: b", 4, 5, "ü: b", "   ^"},
		{"an emoji is two", "🐳: b", 4, 5, "🐳: b", "    ^"},
		{"on an emoji", "a: 🐳", 4, 5, "a: 🐳", "   ^^"},
		{"CJK", "名前: b", 5, 6, "名前: b", "      ^"},
		{"Hangul in parts", "\u1112\u1161\u11ab: b", 6, 7, "\u1112\u1161\u11ab: b", "    ^"},
		{"combining", "u\u0308: b", 5, 6, "u\u0308: b", "   ^"},
		{"an escape is as wide as it is written", "\x1b: b", 4, 5, `\x1b: b`, "      ^"},
		{"bytes that are no UTF-8", "\xff\xfe: b", 5, 6, `\xff\xfe: b`, "          ^"},
		{"a mark of direction", "\u202e: b", 4, 5, `\u202e: b`, "        ^"},
		{"behind the end", "ab", 9, 12, "ab", "  ^"},
		{"blanks", "   ", 1, 2, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := lint.Finding{Source: test.source, Start: pos(1, test.from), End: pos(1, test.to)}
			line, carets := shownUnder(t, f)
			if line != test.line || carets != test.carets {
				t.Errorf("snippet:\n%s\n%s\nwant:\n%s\n%s", line, carets, test.line, test.carets)
			}
		})
	}
}

func TestCaretsOfALongRangeEndWithTheLine(t *testing.T) {
	_, carets := shownUnder(t, lint.Finding{Source: "  app:", Start: pos(1, 3), End: pos(4, 1)})
	if carets != "  ^^^^" {
		t.Errorf("carets = %q, want them to the line's end", carets)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := []struct {
		name           string
		source         string
		before, behind bool
	}{
		{"at the start", "HERE" + long, false, true},
		{"in the middle", long + "HERE" + long, true, true},
		{"at the end", long + "HERE", true, false},
		{"behind wide text", strings.Repeat("名", 5000) + "HERE", true, false},
		{"behind marks of no width", strings.Repeat("\u0308", 5000) + "HERE", true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			column := utf8.RuneCountInString(test.source[:strings.Index(test.source, "HERE")]) + 1
			line, carets := shownUnder(t, lint.Finding{Source: test.source, Start: pos(1, column), End: pos(1, column+4)})
			if n := utf8.RuneCountInString(line); n > 2*farthest+2 {
				t.Errorf("%d code points are shown", n)
			}
			if strings.HasPrefix(line, "…") != test.before || strings.HasSuffix(line, "…") != test.behind {
				t.Errorf("line = %q, cut before %v, behind %v", line, test.before, test.behind)
			}
			start := render(line[:strings.Index(line, "HERE")], 1).width()
			if carets != strings.Repeat(" ", start)+"^^^^" {
				t.Errorf("carets do not stand under HERE:\n%s\n%s", line, carets)
			}
		})
	}
}

func TestARangeLongerThanTheScreenIsCut(t *testing.T) {
	long := strings.Repeat("x", 5000)
	_, carets := shownUnder(t, lint.Finding{Source: long, Start: pos(1, 1), End: pos(1, 5001)})
	if carets != strings.Repeat("^", widest) {
		t.Errorf("%d carets, want %d", len(carets), widest)
	}
}

func FuzzSnippet(f *testing.F) {
	f.Add("\timage: 🐳:latest", 9, 12)
	f.Add("\xff\u0308\u202e", -1, 1<<30)
	f.Add(strings.Repeat("名\t", 900), 1700, 3)
	f.Fuzz(func(t *testing.T, source string, from, to int) {
		if strings.Contains(source, "\n") {
			t.Skip("a source line has no line end")
		}
		w := &writer{Buffer: new(bytes.Buffer)}
		w.snippet(&lint.Finding{Source: source, Start: pos(1, from), End: pos(1, to)}, 1)
		for _, c := range w.String() {
			if c != '\n' && unsafeRune(c) {
				t.Fatalf("%U was written of %q", c, source)
			}
		}
		if w.Len() > 0 && !strings.Contains(w.String(), "^") {
			t.Fatalf("no caret under %q", source)
		}
	})
}
