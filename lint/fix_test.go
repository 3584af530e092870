package lint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/galley-coop/galley/recipe"
)

// swap reports every occurrence of a word in the recipe's files, with a fix that
// puts another one in its place.
func swap(id, word, by string, safe bool) Rule {
	return Rule{ID: id, Name: "swap", Severity: Warning, Check: func(p *Pass) {
		for _, text := range filesOf(p.Recipe) {
			for n := 1; n <= text.Lines(); n++ {
				line := text.Line(n)
				for at := 0; ; {
					i := strings.Index(line[at:], word)
					if i < 0 {
						break
					}
					at += i
					column := len([]rune(line[:at])) + 1
					r := span(text.Path, n, column, n, column+len([]rune(word)))
					p.Report(r, fmt.Sprintf("%q", word), WithFix(Fix{Message: "swap", Safe: safe, Edits: []Edit{{File: text.Path, Start: r.Start, End: r.End, Text: by}}}))
					at += len(word)
				}
			}
		}
	}}
}

// edits is a rule that reports the base's first line while it holds word, with
// edits as its fix.
func edits(id, word string, all ...Edit) Rule {
	return Rule{ID: id, Name: "edits", Severity: Warning, Check: func(p *Pass) {
		if strings.Contains(string(p.Recipe.Base.Text.Bytes), word) {
			p.Report(span(p.Recipe.Base.Text.Path, 1, 1, 1, 2), word, WithFix(Fix{Message: "edit", Safe: true, Edits: all}))
		}
	}}
}

func edit(file string, line, column, endLine, endColumn int, text string) Edit {
	r := span(file, line, column, endLine, endColumn)
	return Edit{File: file, Start: r.Start, End: r.End, Text: text}
}

func fixed(t testing.TB, targets []Target, fix FixOptions, opts Options, rules ...Rule) *FixReport {
	t.Helper()
	result, err := Run(context.Background(), targets, rules, opts)
	if err != nil {
		t.Fatal(err)
	}
	report, err := ApplyFixes(context.Background(), targets, rules, opts, result, fix)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// after is a file's content once fixed, as it was when nothing changed.
func after(r *FixReport, file, before string) string {
	for _, c := range r.Changes {
		if c.Path == file {
			return string(c.After)
		}
	}
	return before
}

func TestFixes(t *testing.T) {
	tests := []struct {
		name, before, want string
		rules              []Rule
		fixed, abandoned   int
	}{
		{"one", "a: old # kept\n", "a: new # kept\n", []Rule{swap("R001", "old", "new", true)}, 1, 0},
		{"several in a line", "a: [old, old]\n", "a: [newer, newer]\n", []Rule{swap("R001", "old", "newer", true)}, 2, 0},
		{"characters of several bytes", "a: \"🐳é old\" # é\n", "a: \"🐳é neu é\" # é\n", []Rule{swap("R001", "old", "neu é", true)}, 1, 0},
		{"CRLF", "a: old\r\nb: 1\r\n", "a: new\r\nx: y\r\nb: 1\r\n", []Rule{swap("R001", "old", "new\nx: y", true)}, 1, 0},
		{"a byte order mark", "\ufeffa: old\n", "\ufeffa: new\n", []Rule{swap("R001", "old", "new", true)}, 1, 0},
		{"no line end", "a: old", "a: new", []Rule{swap("R001", "old", "new", true)}, 1, 0},
		{"one after the other", "a: one\n", "a: three\n", []Rule{swap("R001", "one", "two", true), swap("R002", "two", "three", true)}, 2, 0},
		{"overlapping, by turns", "a: onetwo\n", "a: 1\n", []Rule{swap("R001", "onetwo", "two", true), swap("R002", "two", "1", true)}, 2, 0},
		{"unsafe", "a: old\n", "a: old\n", []Rule{swap("R001", "old", "new", false)}, 0, 0},
		{"a line deleted", "a: 1\nb: 2\nc: 3\n", "a: 1\nc: 3\n", []Rule{edits("R001", "b: 2", edit("compose.yml", 2, 1, 3, 1, ""))}, 1, 0},
		{"the last line deleted", "a: 1\nb: 2", "a: 1\n", []Rule{edits("R001", "b: 2", edit("compose.yml", 2, 1, 3, 1, ""))}, 1, 0},
		{"a line added at the end", "a: 1\n", "a: 1\nb: 2\n", []Rule{edits("R001", "a: 1\n", edit("compose.yml", 2, 1, 2, 1, "b: 2\n"))}, 1, 1},
		{"the same edit for two findings", "a: old\n", "a: new\n", []Rule{edits("R001", "old", edit("compose.yml", 1, 4, 1, 7, "new")), edits("R002", "old", edit("compose.yml", 1, 4, 1, 7, "new"))}, 2, 0},
		{"two insertions at one place", "a: b\n", "a: 1b\n", []Rule{edits("R001", ": b", edit("compose.yml", 1, 4, 1, 4, "1")), edits("R002", "a: b", edit("compose.yml", 1, 4, 1, 4, "2"))}, 1, 0},
		{"no YAML any more", "a: old\nb: 1\n", "a: old\nb: 1\n", []Rule{swap("R001", "old", "[", true)}, 0, 1},
		{"a key twice", "a: 1\nb: old\n", "a: 1\nb: old\n", []Rule{swap("R001", "old", "2\na: 3", true)}, 0, 1},
		{"does not cure", "a: old\n", "a: older\n", []Rule{swap("R001", "old", "older", true)}, 1, 1},
		{"edits that overlap", "a: old\n", "a: old\n", []Rule{edits("R001", "old", edit("compose.yml", 1, 4, 1, 7, "x"), edit("compose.yml", 1, 5, 1, 6, "y"))}, 0, 1},
		{"out of the text", "a: old\n", "a: old\n", []Rule{edits("R001", "old", edit("compose.yml", 9, 1, 9, 2, "x"))}, 0, 1},
		{"backwards", "a: old\n", "a: old\n", []Rule{edits("R001", "old", edit("compose.yml", 1, 5, 1, 2, "x"))}, 0, 1},
		{"a missing file", "a: old\n", "a: old\n", []Rule{edits("R001", "old", edit("compose.yml", 1, 4, 1, 7, "x"), edit("gone.yml", 1, 1, 1, 1, "y"))}, 0, 1},
		{"nothing", "a: old\n", "a: old\n", []Rule{edits("R001", "old")}, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := fixed(t, []Target{target(t, map[string]string{"compose.yml": test.before})}, FixOptions{}, Options{}, test.rules...)
			if got := after(r, "x/compose.yml", test.before); got != test.want {
				t.Errorf("after = %q, want %q", got, test.want)
			}
			if len(r.Abandoned) != test.abandoned {
				t.Errorf("abandoned = %+v, want %d", r.Abandoned, test.abandoned)
			}
			if len(r.Fixed) != test.fixed {
				t.Errorf("%d fixed, want %d", len(r.Fixed), test.fixed)
			}
			for _, a := range r.Abandoned {
				if a.Reason == "" || strings.Contains(a.Reason, "\n") {
					t.Errorf("reason = %q, want one line", a.Reason)
				}
			}
		})
	}
}

func TestUnsafeFixesWhenAskedFor(t *testing.T) {
	targets := []Target{target(t, map[string]string{"compose.yml": "a: old\n"})}
	r := fixed(t, targets, FixOptions{Unsafe: true}, Options{}, swap("R001", "old", "new", false))
	if got := after(r, "x/compose.yml", ""); got != "a: new\n" || len(r.Result.Findings) != 0 || r.Result.Summary.Targets != 1 {
		t.Errorf("after = %q, left %v", got, r.Result.Findings)
	}
	if string(targets[0].Recipe.Base.Text.Bytes) != "a: old\n" {
		t.Error("the target itself was changed")
	}
}

func TestWhatIsSuppressedIsNotFixed(t *testing.T) {
	before := "a: old # galley:ignore R001 on purpose\nb: old\n"
	r := fixed(t, []Target{target(t, map[string]string{"compose.yml": before})}, FixOptions{}, Options{Ignores: true}, swap("R001", "old", "new", true))
	if got, want := after(r, "x/compose.yml", before), strings.Replace(before, "b: old", "b: new", 1); got != want {
		t.Errorf("after = %q, want %q", got, want)
	}
}

func TestNarrowedFindingsAreNotFixed(t *testing.T) {
	before := "a: old\nb: old\n"
	narrow := func(r *Result) { r.drop(func(f Finding) bool { return f.Start.Line == 1 }) }
	targets := []Target{target(t, map[string]string{"compose.yml": before})}
	rule := swap("R001", "old", "new", true)
	result, err := Run(context.Background(), targets, []Rule{rule}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	narrow(result)
	r, err := ApplyFixes(context.Background(), targets, []Rule{rule}, Options{}, result, FixOptions{Narrow: narrow})
	if err != nil {
		t.Fatal(err)
	}
	if got := after(r, "x/compose.yml", before); got != "a: old\nb: new\n" || len(r.Result.Findings) != 0 {
		t.Errorf("after = %q, left %v; want line 1 left alone", got, r.Result.Findings)
	}
}

func TestAFixOverTwoFilesIsWholeOrNothing(t *testing.T) {
	files := map[string]string{"compose.yml": "a: old\n", "compose.x.yml": "b: 1\n", ".env.sample": "A=1\n"}
	both := edits("R001", "old", edit("compose.yml", 1, 4, 1, 7, "new"), edit(".env.sample", 1, 3, 1, 4, "2"))
	r := fixed(t, []Target{target(t, files)}, FixOptions{}, Options{}, both)
	if after(r, "x/compose.yml", "") != "a: new\n" || after(r, "x/.env.sample", "") != "A=2\n" || len(r.Changes) != 2 {
		t.Errorf("changes = %+v, want both", r.Changes)
	}
	broken := edits("R001", "old", edit("compose.yml", 1, 4, 1, 7, "new"), edit("compose.x.yml", 1, 1, 1, 1, "]"))
	r = fixed(t, []Target{target(t, files)}, FixOptions{}, Options{}, broken, swap("R002", "A", "B", true))
	if len(r.Abandoned) != 1 || after(r, "x/compose.yml", "same") != "same" || after(r, "x/.env.sample", "") != "B=1\n" {
		t.Errorf("changes = %+v, abandoned = %+v; want the sample alone", r.Changes, r.Abandoned)
	}
}

func TestFixesThatUndoOneAnotherEnd(t *testing.T) {
	before := "a: one\n"
	r := fixed(t, []Target{target(t, map[string]string{"compose.yml": before})}, FixOptions{}, Options{}, swap("R001", "one", "two", true), swap("R002", "two", "one", true))
	if len(r.Abandoned) == 0 || len(r.Fixed) > maxPasses {
		t.Errorf("%d fixed, abandoned = %+v; want an end, and to be told", len(r.Fixed), r.Abandoned)
	}
}

func TestFixesOfFilesThatTargetsShare(t *testing.T) {
	dir := tree(t, shelf)
	targets := load(t, LoadOptions{}, dir+"/traefik", dir+"/traefik/compose.yml", dir+"/loose")
	r := fixed(t, targets, FixOptions{}, Options{}, swap("R001", "latest", "1.27", true))
	if len(r.Changes) != 5 || len(r.Result.Findings) != 0 {
		t.Errorf("%d changes, left %v; want each file once, and nothing left", len(r.Changes), r.Result.Findings)
	}
	if err := r.Write(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"traefik/compose.yml", "traefik/extra/compose.x.yml", "loose/other.yml"} {
		if got := read(t, dir, name); got != strings.Replace(stack, "latest", "1.27", 1) {
			t.Errorf("%s = %q", name, got)
		}
	}
}

func TestAnEditOutsideTheTargetIsRefused(t *testing.T) {
	dir := tree(t, map[string]string{"a/compose.yml": "a: old\n", "b.yml": "b: 1\n"})
	rule := edits("R001", "old", edit("../b.yml", 1, 1, 1, 2, "x"))
	r := fixed(t, load(t, LoadOptions{As: AsRecipe}, dir+"/a/compose.yml"), FixOptions{}, Options{}, rule)
	for _, c := range r.Changes {
		if !strings.HasSuffix(c.Path, "/a/compose.yml") {
			t.Errorf("change of %s", c.Path)
		}
	}
	if read(t, dir, "b.yml") != "b: 1\n" {
		t.Error("the file beside was changed")
	}
}

func TestAFileThatChangedBehindTheLinterIsNotFixed(t *testing.T) {
	dir := tree(t, map[string]string{"compose.yml": stack})
	targets := load(t, LoadOptions{}, dir)
	write(t, dir, "compose.yml", stack+"# new\n")
	r := fixed(t, targets, FixOptions{}, Options{}, swap("R001", "latest", "1.27", true))
	if len(r.Changes) != 0 || len(r.Abandoned) != 1 || !strings.Contains(r.Abandoned[0].Reason, "has changed since it was read") {
		t.Errorf("changes = %v, abandoned = %v", r.Changes, r.Abandoned)
	}
}

func TestFixStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	targets := []Target{target(t, map[string]string{"compose.yml": stack})}
	rules := []Rule{swap("R001", "latest", "1.27", true)}
	result, err := Run(ctx, targets, rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := ApplyFixes(ctx, targets, rules, Options{}, result, FixOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

// FuzzFix lets arbitrary edits at a file: nothing panics, and a file that could be
// read still can be.
func FuzzFix(f *testing.F) {
	f.Add("services:\n  a: b\n", "x", 1, 1, 1, 2, 2, 3, 2, 4)
	f.Add("\ufeffa: \"é\"\r\n", "\n", 1, 5, 9, 9, 0, 0, -1, 3)
	f.Fuzz(func(t *testing.T, text, by string, a, b, c, d, e, g, h, i int) {
		rule := edits("R001", "", edit("compose.yml", a, b, c, d, by), edit("compose.yml", e, g, h, i, by))
		r := fixed(t, []Target{target(t, map[string]string{"compose.yml": text})}, FixOptions{}, Options{}, rule)
		if len(recipe.ParseDocument("x", []byte(text)).Errors) > 0 {
			return
		}
		if got := after(r, "x/compose.yml", text); len(recipe.ParseDocument("x", []byte(got)).Errors) > 0 {
			t.Errorf("%q became %q", text, got)
		}
	})
}
