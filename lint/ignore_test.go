package lint

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/recipe"
)

// marks reports every occurrence of "bad" in any of the recipe's files.
var marks = Rule{ID: "R004", Name: "unstable-tag", Severity: Error, Check: func(p *Pass) { reportAll(p, "bad") }}

// worse does the same for "worse".
var worse = Rule{ID: "S203", Name: "stack-schema", Severity: Warning, Check: func(p *Pass) { reportAll(p, "worse") }}

func reportAll(p *Pass, word string) {
	for _, text := range filesOf(p.Recipe) {
		for n := 1; n <= text.Lines(); n++ {
			line := text.Line(n)
			if at := strings.Index(line, word); at >= 0 && !strings.Contains(line[:at], ignoreMark) {
				column := len([]rune(line[:at])) + 1
				p.Reportf(span(text.Path, n, column, n, column+len(word)), "%q is not good", word)
			}
		}
	}
}

// hushed runs marks, worse and the rules about comments over files, and gives
// what is left as "file:line rule", and what was hidden with the reason behind it.
func hushed(t testing.TB, files map[string]string, opts Options) (left, hidden []string) {
	t.Helper()
	opts.Ignores = true
	result, err := Run(context.Background(), []Target{target(t, files)}, append(IgnoreRules(), marks, worse), opts)
	if err != nil {
		t.Fatal(err)
	}
	if n := result.Summary.Suppressed; n != len(result.Suppressed) {
		t.Errorf("summary counts %d suppressed, want %d", n, len(result.Suppressed))
	}
	for _, f := range result.Findings {
		left = append(left, fmt.Sprintf("%s:%d %s", strings.TrimPrefix(f.File, "x/"), f.Start.Line, f.Rule))
	}
	for _, s := range result.Suppressed {
		hidden = append(hidden, fmt.Sprintf("%s:%d %s %s", strings.TrimPrefix(s.File, "x/"), s.Start.Line, s.Rule, s.Reason))
	}
	return left, hidden
}

func TestIgnoresInYAML(t *testing.T) {
	tests := []struct{ name, text, left, hidden string }{
		{"its line", "a: bad # galley:ignore R004 we know\nb: bad\n", "2 R004", "1 R004 we know"},
		{"by name, in any case", "a: bad # galley:ignore Unstable-Tag we know\n", "", "1 R004 we know"},
		{"another rule", "a: bad worse # galley:ignore S203 we know\n", "1 R004", "1 S203 we know"},
		{"several rules", "a: bad worse # galley:ignore R004, S203 - we know\n", "", "1 R004 we know|1 S203 we know"},
		{"the next line", "# galley:ignore R004 we know\na: bad\nb: bad\n", "3 R004", "2 R004 we know"},
		{"over a blank line and a comment", "# galley:ignore R004 we know\n\n# more\na: bad\nb: bad\n", "5 R004", "4 R004 we know"},
		{"a block", "# galley:ignore R004 we know\na: # bad\n  b: bad\n  c:\n   - bad\nd: bad\n", "6 R004", "2 R004 we know|3 R004 we know|5 R004 we know"},
		{"a list at its key's indentation", "x:\n  # galley:ignore R004 we know\n  a:\n  - bad\n  - b: 1\n    c: bad\n  d: bad\n", "7 R004", "4 R004 we know|6 R004 we know"},
		{"an item", "a:\n  # galley:ignore R004 we know\n  - b: bad\n    c: bad\n  - bad\n", "5 R004", "3 R004 we know|4 R004 we know"},
		{"not a block by its line's end", "a: # galley:ignore R004 we know bad\n  b: bad\n", "1 L002|2 R004", ""},
		{"two above one line", "# galley:ignore R004 we know\n# galley:ignore S203 so what\na: bad worse\n", "", "3 R004 we know|3 S203 so what"},
		{"the file", "# a\n\n---\n# galley:ignore-file R004 we know\na: bad\nb:\n  c: bad\n", "", "5 R004 we know|7 R004 we know"},
		{"the file, too late", "a: bad\n# galley:ignore-file R004 we know\nb: bad\n", "1 R004|2 L002|3 R004", ""},
		{"in quotes", "a: 'bad # galley:ignore R004 we know'\n", "1 R004", ""},
		{"in a block scalar", "a: |\n  bad # galley:ignore R004 we know\n", "2 R004", ""},
		{"behind a block scalar's header", "a: | # galley:ignore R004 we know bad\n  bad\n", "1 L002|2 R004", ""},
		{"not a word of its own", "a: bad # galley:ignored R004 we know\n", "1 R004", ""},
		{"not at the comment's start", "a: bad # see galley:ignore R004 we know\n", "1 R004", ""},
		{"the file does not parse", "a: [bad # galley:ignore R004 we know\nb: bad: {\n", "2 R004", "1 R004 we know"},
		{"CRLF", "a: bad # galley:ignore R004 we know\r\nb: bad\r\n", "2 R004", "1 R004 we know"},
		{"a byte order mark", "\ufeff# galley:ignore-file R004 we know\na: bad\n", "", "2 R004 we know"},
		{"a flow collection to its bracket", "# galley:ignore R004 we know\na: [\n  bad,\n]\nb: bad\n", "5 R004", "3 R004 we know"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { expectHushed(t, "compose.yml", test.text, test.left, test.hidden) })
	}
}

// expectHushed compares lines and rules, divided by "|".
func expectHushed(t *testing.T, file, text, left, hidden string) {
	t.Helper()
	files := map[string]string{"compose.yml": "services: {}\n"}
	files[file] = text
	gotLeft, gotHidden := hushed(t, files, Options{})
	for i, got := range [][]string{gotLeft, gotHidden} {
		joined := strings.ReplaceAll(strings.Join(got, "|"), file+":", "")
		if want := []string{left, hidden}[i]; joined != want {
			t.Errorf("%s = %q, want %q", []string{"left", "hidden"}[i], joined, want)
		}
	}
}

func TestIgnoresInOtherFiles(t *testing.T) {
	tests := []struct{ name, file, text, left, hidden string }{
		{"env, its line", ".env.sample", "A=bad # galley:ignore R004 we know\nB=bad\n", "2 R004", "1 R004 we know"},
		{"env, the next line", ".env.sample", "# galley:ignore R004 we know\n## a heading\n#A=bad\nB=bad\n", "4 R004", "3 R004 we know"},
		{"env, a commented declaration's line", ".env.sample", "#A=bad # galley:ignore R004 we know\n", "", "1 R004 we know"},
		{"env, in a value", ".env.sample", "A='bad # galley:ignore R004 we know'\n", "1 R004", ""},
		{"env, in a value of two lines", ".env.sample", "A=\"x\n# galley:ignore R004 we know\nbad\"\nB=bad\n", "3 R004|4 R004", ""},
		{"env, the file", ".env.sample", "# galley:ignore-file R004 we know\nA=bad\n#B=bad\n", "", "2 R004 we know|3 R004 we know"},
		{"env, the file below a commented declaration", ".env.sample", "#A=bad\n# galley:ignore-file R004 we know\n", "1 R004|2 L002", ""},
		{"script, its line", "abra.sh", "export A=bad # galley:ignore R004 we know\n", "", "1 R004 we know"},
		{"script, a function", "abra.sh", "#!/bin/sh\n# galley:ignore R004 we know\nf() {\n  bad\n\tbad\n}\nbad\n", "7 R004", "4 R004 we know|5 R004 we know"},
		{"script, in quotes", "abra.sh", "echo \"bad # galley:ignore R004 we know\"\n", "1 R004", ""},
		{"script, the file below its shebang", "abra.sh", "#!/bin/sh\n# galley:ignore-file R004 we know\nbad\n", "", "3 R004 we know"},
		{"readme, its line", "README.md", "bad <!-- galley:ignore R004 we know -->\nbad\n", "2 R004", "1 R004 we know"},
		{"readme, the next line", "README.md", "<!-- galley:ignore R004 we know -->\n\nbad\n\nbad\n", "5 R004", "3 R004 we know"},
		{"readme, the metadata", "README.md", "<!-- galley:ignore R004 we know -->\n<!-- metadata -->\n* **Status**: bad\n<!-- endmetadata -->\nbad\n", "5 R004", "3 R004 we know"},
		{"readme, the file", "README.md", "<!-- galley:ignore-file R004 we know -->\n# A\nbad\n", "", "3 R004 we know"},
		{"readme, two comments on a line", "README.md", "<!-- galley:ignore R004 we know --> <!-- galley:ignore S203 so what -->\nbad worse\n", "", "2 R004 we know|2 S203 so what"},
		{"readme, in code", "README.md", "```\n<!-- galley:ignore-file R004 we know -->\n```\nbad `<!-- galley:ignore R004 we know -->`\n", "4 R004", ""},
		{"release notes", "release/1.0.0+1", "bad <!-- galley:ignore R004 we know -->\n", "", "1 R004 we know"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { expectHushed(t, test.file, test.text, test.left, test.hidden) })
	}
}

func TestIgnoresInTheFilesThatARecipeNames(t *testing.T) {
	lines := []string{
		"bad # galley:ignore R004 we know", "// galley:ignore R004 we know", "bad", "bad {{/* galley:ignore R004 we know */}}",
		"bad ; galley:ignore R004 we know", "bad /* galley:ignore R004 we know */ bad", "bad galley:ignore R004 we know",
	}
	text := recipe.NewText("app.conf.tmpl", []byte(strings.Join(lines, "\n")))
	rule := Rule{ID: "R004", Name: "a", Check: func(p *Pass) {
		for n := range lines {
			if strings.Contains(lines[n], "bad") {
				p.Reportf(text.LineRange(n+1), "bad")
			}
		}
	}}
	files := map[string]string{"compose.yml": stack, "app.conf.tmpl": string(text.Bytes)}
	result, err := Run(context.Background(), []Target{target(t, files)}, []Rule{rule}, Options{Ignores: true})
	if err != nil {
		t.Fatal(err)
	}
	if f := only(t, result.Findings); f.Start.Line != len(lines) || len(result.Suppressed) != 5 || result.Suppressed[0].Reason != "we know" {
		t.Errorf("left %+v, hidden %+v; want the last line alone left", f, result.Suppressed)
	}
}

func TestIgnoresCountOnlyWhenTheyAreAskedFor(t *testing.T) {
	text := map[string]string{"compose.yml": "a: bad # galley:ignore R004 we know\nb: 1 # galley:ignore nothing\n"}
	found := lintOne(t, text, append(IgnoreRules(), marks)...)
	if f := only(t, found); f.Rule != "R004" {
		t.Errorf("findings = %v, want the one that the comment would hide", found)
	}
}

// FuzzIgnores lets arbitrary bytes through the reading of comments in every
// language: nothing panics, and every finding about one stands in the text.
func FuzzIgnores(f *testing.F) {
	f.Add("a: bad # galley:ignore R004, S203 why\n# galley:ignore-file R004\n  b: |\n  # galley:ignore\n")
	f.Add("<!-- galley:ignore R004 --> <!-- galley:ignore x -->\n```\n")
	f.Add("#A='\n# galley:ignore R004 é\n'\nB=1 # galley:ignore R004,,, \ufeff")
	f.Add("\"# galley:ignore\n' {[,: |2-\n #galley:ignore-x -\r\n- - ? |\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		fsys := fstest.MapFS{}
		for _, name := range []string{"compose.yml", ".env.sample", "abra.sh", "README.md", "release/next"} {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		r, err := recipe.Load(fsys, recipe.Options{})
		if err != nil {
			t.Fatal(err)
		}
		result, err := Run(context.Background(), []Target{{Path: ".", Recipe: r}}, append(IgnoreRules(), marks), Options{Ignores: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range result.Findings {
			if aboutIgnores(found.Rule) && (found.Start == found.End || !strings.Contains(found.Source, ignoreMark)) {
				t.Errorf("%+v stands nowhere in %q", found, text)
			}
		}
	})
}

func BenchmarkIgnores(b *testing.B) {
	var text strings.Builder
	for i := range 400 {
		fmt.Fprintf(&text, "  s%d:\n    image: \"a:b\" # x\n    # galley:ignore R004 we know\n    command: |\n      # not me\n      run\n", i)
	}
	r := target(b, map[string]string{"compose.yml": "services:\n" + text.String()}).Recipe
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if got := readIgnores(r, r.Base.Text); len(got.list) != 400 {
			b.Fatal(len(got.list))
		}
	}
}

func BenchmarkNoIgnores(b *testing.B) {
	r := target(b, map[string]string{"compose.yml": "services:\n" + strings.Repeat("  a: {image: x:1}\n", 2000)}).Recipe
	b.SetBytes(int64(len(r.Base.Text.Bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if readIgnores(r, r.Base.Text) != nil {
			b.Fatal("found some")
		}
	}
}
