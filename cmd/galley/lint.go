package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/alecthomas/kong"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/lint/report"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/rules"
)

type lintCmd struct {
	Paths []string `arg:"" optional:"" name:"path" help:"Recipes, folders of recipes, or compose files (default: this folder)."`

	Format     string `help:"How findings are written: text, json, jsonl, sarif, github, gitlab, junit, checkstyle, rdjson, markdown (default: as --output says)." placeholder:"FORMAT"`
	FailOn     string `enum:",info,warning,error,never" default:"" help:"Exit with 1 for findings of this level or above: info, warning, error, never (default: the configuration's, else error)." placeholder:"LEVEL"`
	Suppressed bool   `help:"List what comments in the files hide, too."`
	ListRules  bool   `help:"List the rules instead."`

	As        string   `enum:"auto,recipe,compose" default:"auto" help:"What the targets are: ${enum}. auto goes by each one's files."`
	Rule      []string `help:"Run only these rules, by ID, name or family (R1)." placeholder:"RULE"`
	Except    []string `help:"Do not run these." placeholder:"RULE"`
	Enable    []string `help:"Run these as well, though they are off by default." placeholder:"RULE"`
	Config    string   `help:"Configuration (default: the nearest .galley.yml)." placeholder:"FILE"`
	NoConfig  bool     `help:"Use no configuration."`
	Untracked bool     `help:"Look at files that git does not track, too."`

	Baseline      string `help:"Leave out the findings of a baseline." placeholder:"FILE"`
	WriteBaseline string `help:"Write the findings as a baseline, and report none." placeholder:"FILE"`
	Since         string `help:"Leave out the findings that were there at a git revision." placeholder:"REVISION"`

	Fix    fixMode `help:"Fix what can be fixed; --fix=unsafe also where the recipe then does something else." placeholder:"unsafe"`
	DryRun bool    `help:"With --fix: show the changes, and write nothing."`

	Stdin         bool   `help:"Read one file from standard input."`
	StdinFilename string `help:"What that file is called; its neighbours are read from disk." placeholder:"FILE"`

	Catalogue string `help:"Catalogue to compare with (R006, I414)." placeholder:"URL|DIR"`
	Online    bool   `help:"Also ask registries and upstreams (R013, I410 to I415)."`
}

// fixMode is a flag that may stand alone or have a value.
type fixMode string

// IsBool lets kong take the flag without a value.
func (fixMode) IsBool() bool { return true }

// Decode reads "--fix" as safe.
func (f *fixMode) Decode(ctx *kong.DecodeContext) error {
	*f = "safe"
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	value := fmt.Sprint(ctx.Scan.Pop().Value)
	if value != "safe" && value != "unsafe" {
		return fmt.Errorf("--fix takes safe or unsafe, not %q", value)
	}
	*f = fixMode(value)
	return nil
}

func (lintCmd) Help() string {
	return `Examples:
  galley lint                        the recipe in this folder
  galley lint ../recipes             every recipe below a folder
  galley lint compose.yml            one compose file
  galley lint --fail-on warning      stricter, for CI
  galley lint --fix --dry-run        what would be fixed, as a diff
  galley lint --format sarif         for a forge; json, github, gitlab, junit, …
  galley lint --since main           only what this branch brought

Nothing is fetched and nothing is asked: without --online and --catalogue the
rules that need more than the files say "skipped".`
}

// Run lints the paths and prints what was found. Findings at or above the
// failing level end with 1.
func (c *lintCmd) Run(ctx context.Context, s *streams, grammar *cli) error {
	if c.ListRules {
		return listRules(s)
	}
	format, err := c.format(grammar)
	if err != nil {
		return err
	}
	go rules.Warm()
	targets, closeTargets, err := c.load(ctx, s)
	if err != nil {
		return err
	}
	defer closeTargets()
	options := lint.Options{Only: c.Rule, Except: c.Except, Enable: c.Enable, Ignores: true, FailOn: c.FailOn}
	result, err := lint.Run(ctx, targets, rules.All(), options)
	if err != nil {
		return err
	}
	narrow, err := c.narrow(ctx, s, targets, options)
	if err != nil {
		return err
	}
	narrow(result)
	if c.WriteBaseline != "" {
		return c.writeBaseline(s, result)
	}
	if c.Fix != "" {
		if result, err = c.fix(ctx, s, targets, options, result, narrow); err != nil || result == nil {
			return err
		}
	}
	result.ListSuppressed = c.Suppressed
	err = report.Write(s.out, result, report.Options{
		Format: format, Color: s.colour, Links: s.colour, Root: report.RootHere(), Version: buildVersion(),
		Rules: rules.All(), Page: rules.Page, Line: report.Lines(targets),
	})
	if err == nil && result.Failed() {
		return answered{fault.No}
	}
	return err
}

func (c *lintCmd) format(grammar *cli) (report.Format, error) {
	name := c.Format
	if name == "" {
		name = grammar.Output
	}
	format, err := report.ParseFormat(name)
	return format, fault.Wrap(fault.Usage, err)
}

// load reads the targets with what their rules may ask. close ends the
// repositories that were opened for them.
func (c *lintCmd) load(ctx context.Context, s *streams) (targets []lint.Target, closeAll func(), err error) {
	outside, err := c.outside(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	options := lint.LoadOptions{As: strings.TrimPrefix(c.As, "auto"), Tracked: !c.Untracked}
	options.World, closeAll = c.world(outside)
	switch {
	case c.Config != "":
		if options.Configs, err = lint.OneConfig(c.Config); err != nil {
			return nil, nil, err
		}
	case !c.NoConfig:
		options.Configs = lint.NearestConfigs()
	}
	if c.Stdin {
		if c.StdinFilename == "" {
			err := fault.New(fault.Usage, "--stdin needs the file's name")
			return nil, nil, fault.Hint(err, "--stdin-filename compose.yml")
		}
		target, err := lint.LoadReader(ctx, s.in, c.StdinFilename, options)
		return []lint.Target{target}, closeAll, err
	}
	if len(c.Paths) == 0 {
		c.Paths = []string{"."}
	}
	targets, notes, err := lint.Load(ctx, c.Paths, options)
	for _, note := range notes {
		s.notef("galley: note: %s\n", oneLine(note))
	}
	return targets, closeAll, err
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
		world.History = lint.Remember(repository)
		return world
	}
	return give, func() {
		for _, repository := range open {
			_ = repository.Close()
		}
	}
}
