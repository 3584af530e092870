package main

import (
	"context"
	"path/filepath"
	"strings"
	"sync"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/lint/report"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/rules"
)

type lintCmd struct {
	Paths   []string `arg:"" optional:"" name:"path" help:"Recipes, folders of recipes, or compose files (default: this folder)."`
	As      string   `enum:"auto,recipe,compose" default:"auto" help:"What the targets are: ${enum}. auto goes by each one's files."`
	Rule    []string `help:"Run only these rules, by ID or name." placeholder:"RULE"`
	Except  []string `help:"Do not run these rules." placeholder:"RULE"`
	FailOn  string   `enum:"info,warning,error,never" default:"error" help:"Exit with 1 for findings of this level or above: ${enum}."`
	Catalog string   `name:"catalogue" help:"Catalogue to compare with (R006)." placeholder:"URL|DIR"`
	Online  bool     `help:"Also ask whether upstreams exist (R013)."`
}

func (lintCmd) Help() string {
	return `Examples:
  galley lint                        the recipe in this folder
  galley lint ../recipes             every recipe below a folder
  galley lint compose.yml            one compose file
  galley lint --output json | jq .   for machines
  galley lint --fail-on warning      stricter, for CI

Nothing is fetched and nothing is asked: without --online and --catalogue the
rules that need more than the files say "skipped". "galley explain RULE" tells why a rule is there.`
}

// Run lints the paths and prints what was found. Findings at or above the
// failing level end with 1.
func (c *lintCmd) Run(ctx context.Context, s *streams, grammar *cli) error {
	if len(c.Paths) == 0 {
		c.Paths = []string{"."}
	}
	as := c.As
	if as == "auto" {
		as = ""
	}
	outside, err := c.outside(ctx)
	if err != nil {
		return err
	}
	world, closeWorld := c.world(outside)
	defer closeWorld()
	targets, notes, err := lint.Load(ctx, c.Paths, lint.LoadOptions{As: as, World: world})
	if err != nil {
		return err
	}
	for _, note := range notes {
		s.notef("galley: note: %s\n", note)
	}
	result, err := lint.Run(ctx, targets, rules.All(), lint.Options{Only: c.Rule, Except: c.Except})
	if err != nil {
		return err
	}
	format, err := report.ParseFormat(grammar.Output)
	if err != nil {
		return err
	}
	if err := report.Write(s.out, result, report.Options{Format: format, Color: s.colour}); err != nil {
		return err
	}
	if c.FailOn == "never" {
		return nil
	}
	level, err := lint.ParseSeverity(c.FailOn)
	if err != nil {
		return fault.Wrap(fault.Usage, err)
	}
	if result.Failing(level) {
		return answered{fault.No}
	}
	return nil
}

// world gives each target the git history of the repository it is the root of,
// beside what is outside of it.
func (c *lintCmd) world(outside lint.World) (func(context.Context, string, *recipe.Recipe) lint.World, func()) {
	var mu sync.Mutex
	var open []*source.Repository
	give := func(ctx context.Context, dir string, r *recipe.Recipe) lint.World {
		world := outside
		if !r.IsRecipe() {
			return world
		}
		absolute, err := filepath.Abs(dir) // a relative "host:path" would be taken for a remote
		if err != nil {
			return world
		}
		repository, err := source.Open(ctx, absolute, source.Options{})
		if err != nil {
			return world // no repository: the rules that need one say so
		}
		mu.Lock()
		defer mu.Unlock()
		open = append(open, repository)
		world.History = repository
		return world
	}
	return give, func() {
		for _, repository := range open {
			_ = repository.Close()
		}
	}
}

type explainCmd struct {
	Rule string `arg:"" optional:"" help:"A rule's ID or name. Without one, all rules are listed."`
}

func (explainCmd) Help() string {
	return "Examples:\n  galley explain           the list of rules\n  galley explain R004      one rule's page\n  galley explain unstable-tag"
}

// Run prints one rule's page, or the list of all.
func (c *explainCmd) Run(s *streams) error {
	if c.Rule == "" {
		return listRules(s)
	}
	rule, ok := rules.Lookup(c.Rule)
	if !ok {
		err := fault.New(fault.Usage, "there is no rule %q", c.Rule)
		return fault.Hint(err, "galley explain lists them all")
	}
	page, _ := rules.Page(rule.ID)
	if s.json {
		return s.printJSON(map[string]any{
			"id": rule.ID, "name": rule.Name, "severity": rule.Severity, "summary": rule.Summary, "recipe_only": rule.RecipeOnly, "page": page,
		})
	}
	s.printf("%s\n", strings.TrimRight(page, "\n"))
	return nil
}

func listRules(s *streams) error {
	type item struct {
		ID         string        `json:"id"`
		Name       string        `json:"name"`
		Severity   lint.Severity `json:"severity"`
		Summary    string        `json:"summary"`
		RecipeOnly bool          `json:"recipe_only"`
	}
	var items []item
	var rows [][]string
	for _, r := range rules.All() {
		items = append(items, item{r.ID, r.Name, r.Severity, r.Summary, r.RecipeOnly})
		rows = append(rows, []string{r.ID, r.Name, r.Severity.String(), r.Summary})
	}
	if s.json {
		return s.printJSON(map[string]any{"rules": items})
	}
	return s.table([]string{"ID", "NAME", "SEVERITY", "SUMMARY"}, rows)
}
