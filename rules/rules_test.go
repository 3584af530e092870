package rules

import (
	"context"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var (
	idForm   = regexp.MustCompile(`^[A-Z][0-9]{3}$`)
	nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

func TestRulesAreWellFormed(t *testing.T) {
	names := map[string]bool{}
	previous := ""
	for _, rule := range All() {
		if rule.ID <= previous {
			t.Errorf("rule %s stands behind %s; expected unique IDs in order", rule.ID, previous)
		}
		if !idForm.MatchString(rule.ID) || !nameForm.MatchString(rule.Name) || names[rule.Name] {
			t.Errorf("rule %q %q; expected a letter and three digits, and a kebab-case name of its own", rule.ID, rule.Name)
		}
		if rule.Summary == "" || strings.ContainsAny(rule.Summary, "\n") || strings.HasSuffix(rule.Summary, ".") || rule.Check == nil {
			t.Errorf("rule %s: summary %q; expected one line without a full stop, and a check", rule.ID, rule.Summary)
		}
		previous, names[rule.Name] = rule.ID, true
	}
}

func TestKnownRulesKeepTheirLevels(t *testing.T) {
	failing := []string{"R008", "R009", "R010", "R011", "R012", "R014", "R016", "S201", "S202"}
	loose := []string{"R002", "R003", "R004", "R005", "R011", "S201", "S202", "S203"}
	for _, rule := range All() {
		if (rule.ID < "R001" || rule.ID > "R016") && (rule.ID < "S201" || rule.ID > "S203") {
			continue // galley's own
		}
		want := lint.Warning
		if slices.Contains(failing, rule.ID) {
			want = lint.Error
		}
		if rule.Severity != want {
			t.Errorf("rule %s is %s, expected %s", rule.ID, rule.Severity, want)
		}
		if rule.RecipeOnly == slices.Contains(loose, rule.ID) {
			t.Errorf("rule %s: RecipeOnly is %t", rule.ID, rule.RecipeOnly)
		}
	}
}

func TestEachRuleHasAPageAndEachPageARule(t *testing.T) {
	for _, rule := range All() {
		page, ok := Page(rule.ID)
		if !ok {
			t.Errorf("rule %s has no page", rule.ID)
			continue
		}
		if title := "# " + rule.ID + " " + rule.Name + "\n"; !strings.HasPrefix(page, title) {
			t.Errorf("the page of %s does not start with %q", rule.ID, title)
		}
		for _, title := range []string{"Why", "Bad", "Good", "How to fix", "Seen in"} {
			if sections(page)[title] == "" {
				t.Errorf("the page of %s has no section %q", rule.ID, title)
			}
		}
	}
	files, err := fs.Glob(pages, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if _, ok := Lookup(strings.TrimSuffix(name, ".md")); !ok {
			t.Errorf("page %s belongs to no rule", name)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, name := range []string{"R004", "r004", "unstable-tag", "Unstable-Tag"} {
		if rule, ok := Lookup(name); !ok || rule.ID != "R004" {
			t.Errorf("Lookup(%q) = %q, %t", name, rule.ID, ok)
		}
	}
	for _, name := range []string{"", "R999", "../rules", "r004.md"} {
		if rule, ok := Lookup(name); ok {
			t.Errorf("Lookup(%q) found %s", name, rule.ID)
		}
		if _, ok := Page(name); ok {
			t.Errorf("Page(%q) found one", name)
		}
	}
}

func TestTheBaseRecipeIsClean(t *testing.T) {
	for _, line := range lines(run(t, baseRecipe(t), lint.World{}, lint.Options{}).Findings) {
		t.Error(line)
	}
}

func TestPagesExamples(t *testing.T) {
	base := baseRecipe(t)
	for _, rule := range All() {
		page, _ := Page(rule.ID)
		t.Run(rule.ID+"/bad", func(t *testing.T) {
			bad := parseExample(t, sections(page)["Bad"])
			result := run(t, bad.over(t, base), bad.world(t, base), lint.Options{Enable: []string{rule.ID}, Settings: bad.facts.settings})
			findings := added(t, base, rule, result.Findings)
			if len(findings) == 0 {
				t.Error("the bad example has no finding")
			}
			for i, f := range findings {
				if f.Rule != rule.ID {
					t.Errorf("a finding of another rule: %s %s", f.Rule, lines(findings)[i])
				}
				checkUnderline(t, bad.over(t, base), f)
			}
			without := run(t, bad.over(t, base), bad.world(t, base), lint.Options{Except: []string{rule.ID}, Settings: bad.facts.settings})
			expect(t, lines(without.Findings))
		})
		t.Run(rule.ID+"/good", func(t *testing.T) {
			good := parseExample(t, sections(page)["Good"])
			result := run(t, good.over(t, base), good.world(t, base), lint.Options{Enable: []string{rule.ID}, Settings: good.facts.settings})
			expect(t, lines(added(t, base, rule, result.Findings)))
			for _, skip := range result.Skipped {
				if skip.Rule == rule.ID {
					t.Errorf("the rule skipped its own example: %s", skip.Reason)
				}
			}
		})
	}
}

// added are an example's findings without those that the base recipe itself has of
// a rule that is off by default.
func added(t *testing.T, base fs.FS, rule lint.Rule, findings []lint.Finding) []lint.Finding {
	t.Helper()
	if !rule.Off {
		return findings
	}
	before := map[string]int{}
	for _, f := range run(t, base, lint.World{}, lint.Options{Only: []string{rule.ID}}).Findings {
		before[f.File+f.Message]++
	}
	return slices.DeleteFunc(slices.Clone(findings), func(f lint.Finding) bool {
		if f.Rule != rule.ID || before[f.File+f.Message] == 0 {
			return false
		}
		before[f.File+f.Message]--
		return true
	})
}

var word = regexp.MustCompile(`[\pL\pN]{3,}`)

// checkUnderline wants the text below a finding's caret to be what the message
// speaks of; a finding about a whole file has none.
func checkUnderline(t *testing.T, files fs.FS, f lint.Finding) {
	t.Helper()
	if whole := (recipe.Position{Line: 1, Column: 1}); f.Start == whole && f.End == whole {
		return
	}
	data, err := fs.ReadFile(files, f.File)
	if err != nil {
		t.Errorf("finding in %s: %v", f.File, err)
		return
	}
	text := recipe.NewText(f.File, data).Slice(recipe.Range{File: f.File, Start: f.Start, End: f.End})
	if strings.TrimSpace(text) == "" || strings.Contains(text, "\n") {
		t.Errorf("%q underlines %q; expected a stretch of one line", f.Message, text)
	}
	said := strings.ToLower(f.Message)
	if strings.Contains(said, strings.ToLower(strings.Trim(text, `"'`))) {
		return
	}
	if !slices.ContainsFunc(word.FindAllString(strings.ToLower(text), -1), func(w string) bool { return strings.Contains(said, w) }) {
		t.Errorf("%q underlines %q, which it does not speak of", f.Message, text)
	}
}

func BenchmarkBaseRecipe(b *testing.B) {
	r, err := recipe.Load(baseRecipe(b), recipe.Options{})
	if err != nil {
		b.Fatal(err)
	}
	targets := []lint.Target{{Path: "pages", Recipe: r}}
	for b.Loop() {
		if _, err := lint.Run(context.Background(), targets, All(), lint.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
