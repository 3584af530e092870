package lint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/galley-coop/galley/recipe"
)

func TestPositionsAreCodePoints(t *testing.T) {
	tests := []struct {
		name, line   string
		column       int
		wantedSource string
	}{
		{"plain", "    image: a:latest", 14, ""},
		{"a tab", "    image:\ta:latest", 14, ""},
		{"ü", `    "image": "ü:latest"`, 17, ""},
		{"an emoji in quotes", `    image: "🐳🐳:latest"`, 16, ""},
		{"combining", "    image: \"u\u0308:latest\"", 16, ""},
		{"an emoji before", `    {labels: {"🐳": "é"}, image: a:latest}`, 35, ""},
		{"CRLF", "    image: a:latest\r", 14, "    image: a:latest"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := only(t, lintOne(t, map[string]string{"compose.yml": "services:\n  app:\n" + test.line + "\n"}, unstable))
			if want := (recipe.Position{Line: 3, Column: test.column}); f.Start != want {
				t.Errorf("start = %v, want %v", f.Start, want)
			}
			if want := (recipe.Position{Line: 3, Column: test.column + len("latest")}); f.End != want {
				t.Errorf("end = %v, want %v", f.End, want)
			}
			want := test.wantedSource
			if want == "" {
				want = test.line
			}
			if f.Source != want {
				t.Errorf("source = %q, want %q", f.Source, want)
			}
		})
	}
}

func TestEveryFindingGetsAPlaceThatIsThere(t *testing.T) {
	files := map[string]string{"compose.yml": stack, "app.conf": "one\ntwo\n"}
	tests := []struct {
		name     string
		at, want recipe.Range
	}{
		{"right", span("compose.yml", 2, 3, 2, 6), span("x/compose.yml", 2, 3, 2, 6)},
		{"nowhere", recipe.Range{}, span("x/compose.yml", 1, 1, 1, 1)},
		{"no file", span("", 2, 3, 2, 6), span("x/compose.yml", 1, 1, 1, 1)},
		{"no line", recipe.Range{File: "compose.yml"}, span("x/compose.yml", 1, 1, 1, 1)},
		{"negative", span("compose.yml", -1, 4, 2, 1), span("x/compose.yml", 1, 1, 1, 1)},
		{"a missing file", span(".env.sample", 7, 3, 7, 4), span("x/.env.sample", 1, 1, 1, 1)},
		{"a file beside", span("app.conf", 2, 1, 2, 4), span("x/app.conf", 2, 1, 2, 4)},
		{"behind the line", span("app.conf", 2, 9, 2, 12), span("x/app.conf", 2, 4, 2, 4)},
		{"behind the text", span("app.conf", 9, 1, 9, 4), span("x/app.conf", 2, 4, 2, 4)},
		{"end before start", span("app.conf", 2, 2, 1, 1), span("x/app.conf", 2, 2, 2, 2)},
		{"out of the recipe", span("../../etc/passwd", 1, 1, 1, 4), span("x/compose.yml", 1, 1, 1, 4)},
		{"an absolute file", span("/etc/passwd", 1, 1, 1, 4), span("x/compose.yml", 1, 1, 1, 4)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := only(t, lintOne(t, files, at(test.at, WithRelated(test.at, "see"))))
			if got := (recipe.Range{File: f.File, Start: f.Start, End: f.End}); got != test.want {
				t.Errorf("range = %+v, want %+v", got, test.want)
			}
			r := f.Related[0]
			if got := (recipe.Range{File: r.File, Start: r.Start, End: r.End}); got != test.want {
				t.Errorf("related range = %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestAFindingWithoutAnyFileNamesTheComposeFile(t *testing.T) {
	f := only(t, lintOne(t, map[string]string{".env.sample": "A=1\n"}, at(recipe.Range{})))
	if f.File != "x/compose.yml" || f.Start.Line != 1 {
		t.Errorf("place = %s:%d, want x/compose.yml:1", f.File, f.Start.Line)
	}
}

func TestAFixIsNotSharedBetweenTargets(t *testing.T) {
	fix := Fix{Message: "drop it", Edits: []Edit{{File: "compose.yml", Start: recipe.Position{Line: 1, Column: 1}}}}
	rule := at(span("compose.yml", 1, 1, 1, 2), WithFix(fix))
	a, b := target(t, map[string]string{"compose.yml": stack}), target(t, map[string]string{"compose.yml": stack})
	b.Path, b.Dir = "y", "y"
	result, err := Run(context.Background(), []Target{a, b}, []Rule{rule}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"x/compose.yml", "y/compose.yml"} {
		if got := result.Findings[i].Fix.Edits[0].File; got != want {
			t.Errorf("edit %d is of %q, want %q", i, got, want)
		}
	}
	if fix.Edits[0].File != "compose.yml" {
		t.Errorf("the rule's own fix was changed: %q", fix.Edits[0].File)
	}
}

func TestEqualFindingsAreReportedOnce(t *testing.T) {
	here := span("compose.yml", 2, 3, 2, 6)
	twice := Rule{ID: "R001", Name: "here", Check: func(p *Pass) {
		p.Reportf(here, "a")
		p.Reportf(here, "b")
		p.Reportf(here, "a")
	}}
	one := target(t, map[string]string{"compose.yml": stack})
	result, err := Run(context.Background(), []Target{one, one}, []Rule{twice}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Findings) != 2 || result.Summary.Infos != 2 {
		t.Errorf("findings = %v, want a and b once each, over two targets of the same files", result.Findings)
	}
}

func TestRecipeRulesLeaveLooseFilesAlone(t *testing.T) {
	loose := target(t, map[string]string{"compose.yml": stack})
	loose.Loose = true
	result, err := Run(context.Background(), []Target{loose}, []Rule{unstable, sample}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := only(t, result.Findings); f.Rule != "R004" {
		t.Errorf("rule = %s, want R004 alone", f.Rule)
	}
	if len(result.Skipped) != 0 {
		t.Errorf("skipped = %v: a rule that does not apply is not one that could not look", result.Skipped)
	}
}

func TestSkipsAreListedOncePerTarget(t *testing.T) {
	again := published
	again.Check = func(p *Pass) { p.Skip("no catalogue"); p.Skip("no catalogue") }
	dir := tree(t, shelf)
	result, err := Run(context.Background(), load(t, LoadOptions{}, dir+"/traefik", dir+"/loose"), []Rule{again}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Skip{
		{"R006", "published", dir + "/loose", "no catalogue"},
		{"R006", "published", dir + "/loose/other.yml", "no catalogue"},
		{"R006", "published", dir + "/traefik", "no catalogue"},
	}
	if !reflect.DeepEqual(result.Skipped, want) {
		t.Errorf("skipped = %v, want %v", result.Skipped, want)
	}
}

func TestSummaryCounts(t *testing.T) {
	dir := tree(t, shelf)
	result, err := Run(context.Background(), load(t, LoadOptions{As: AsRecipe}, dir), []Rule{unstable, sample}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	// traefik: three compose files and a sample; loose: two compose files, of
	// which the first is a recipe by request, without a sample.
	want := Summary{Targets: 3, Files: 6, Errors: 1, Warnings: 5}
	if result.Summary != want {
		t.Errorf("summary = %+v, want %+v", result.Summary, want)
	}
}

func TestAPanicNamesTheRuleAndHidesNothing(t *testing.T) {
	broken := Rule{ID: "R999", Name: "broken", Check: func(p *Pass) {
		p.Reportf(AtFile("compose.yml"), "before")
		breakDown()
	}}
	dir := tree(t, shelf)
	result, err := Run(context.Background(), load(t, LoadOptions{}, dir), []Rule{broken, unstable, {ID: "R998", Name: "empty"}}, Options{})
	var bug *RuleError
	if !errors.As(err, &bug) {
		t.Fatalf("error = %v, want a RuleError", err)
	}
	if bug.Rule != "R999" || bug.Name != "broken" || bug.Target != dir+"/loose" || bug.Cause != "off by one" {
		t.Errorf("error = %+v, want R999 on the first target", bug)
	}
	if !bytes.Contains(bug.Stack, []byte("breakDown")) {
		t.Errorf("the stack does not show where: %s", bug.Stack)
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 2 {
		t.Errorf("%d lines of error, want one for each of two rules: %v", got, err)
	}
	if result.Summary.Warnings != 5 || result.Summary.Infos != 2 { // both targets of loose say it of one file
		t.Errorf("summary = %+v, want all that was found", result.Summary)
	}
}

func breakDown() { panic("off by one") }

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var checks atomic.Int64
	rule := Rule{ID: "R001", Name: "stops", Check: func(p *Pass) {
		checks.Add(1)
		cancel()
		<-p.Context.Done()
	}}
	targets := make([]Target, 500)
	for i := range targets {
		targets[i] = target(t, map[string]string{"compose.yml": stack})
	}
	result, err := Run(ctx, targets, []Rule{rule, rule}, Options{})
	if !errors.Is(err, context.Canceled) || result != nil {
		t.Errorf("result = %v, error = %v, want none and context.Canceled", result, err)
	}
	if got, most := checks.Load(), int64(runtime.GOMAXPROCS(0)); got > most {
		t.Errorf("%d checks after the end, want at most the %d that ran beside", got, most)
	}
}

func TestTheAnswerIsAlwaysTheSame(t *testing.T) {
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("r%02d/compose.yml", i)] = stack + "  b:\n    image: b:latest\n"
		files[fmt.Sprintf("r%02d/compose.o.yml", i)] = stack
	}
	dir := tree(t, files)
	var first []byte
	for range 20 {
		result, err := Run(context.Background(), load(t, LoadOptions{As: AsRecipe}, dir), []Rule{published, sample, unstable}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !bytes.Equal(got, first) {
			t.Fatalf("two runs differ:\n%s\n%s", first, got)
		}
	}
	if n := bytes.Count(first, []byte(`"fingerprint"`)); n != 160 {
		t.Errorf("%d findings, want 160", n)
	}
}

func TestModelIsMadeOnceForAllRules(t *testing.T) {
	var models [2]any
	rules := make([]Rule, 2)
	for i := range rules {
		rules[i] = Rule{ID: fmt.Sprintf("R00%d", i), Name: "model", Check: func(p *Pass) {
			project, err := p.Model("")
			if err != nil {
				t.Error(err)
			}
			models[i] = project
		}}
	}
	lintOne(t, map[string]string{"compose.yml": stack}, rules...)
	if models[0] == nil || models[0] != models[1] {
		t.Errorf("models = %p and %p, want the same", models[0], models[1])
	}
}

func FuzzSettle(f *testing.F) {
	f.Add("a: 1\n", 1, 1, 1, 2)
	f.Add("a: \"🐳\"\r\n\r\n\xff", 3, 2, -1, 9)
	f.Add("", 9, 9, 0, 0)
	f.Fuzz(func(t *testing.T, text string, line, column, endLine, endColumn int) {
		file := recipe.NewText("a.conf", []byte(text))
		found := only(t, lintOne(t, map[string]string{"a.conf": text}, at(span("a.conf", line, column, endLine, endColumn))))
		for _, p := range []recipe.Position{found.Start, found.End} {
			if p.Line < 1 || p.Line > file.Lines() || p.Column < 1 || p.Column > file.LineRange(p.Line).End.Column {
				t.Errorf("%v is not in %q", p, text)
			}
		}
		if found.End.Line < found.Start.Line || found.End.Line == found.Start.Line && found.End.Column < found.Start.Column {
			t.Errorf("%v is before %v", found.End, found.Start)
		}
		if found.Source != file.Line(found.Start.Line) {
			t.Errorf("source = %q, want the line of %v", found.Source, found.Start)
		}
	})
}
