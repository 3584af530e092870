package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
	"github.com/galley-coop/galley/rules"
)

type catalogueBuildCmd struct {
	catalogueConfig `embed:""`
	Build           string  `default:"build" help:"Folder to build into; replaced as a whole." placeholder:"DIR"`
	Report          string  `help:"Write the run's report to a file, as JSON." placeholder:"FILE"`
	Previous        *string `help:"Published catalogue to go on from when the build folder is empty (default: public, if it is there; '' for none)." placeholder:"DIR|URL"`
	MaxRequests     int     `help:"Send no more than this to registries; the next build goes on (default: max_requests of the configuration, else no bound)." placeholder:"N"`
	Relint          bool    `help:"Judge published versions again with today's rules."`
	DryRun          bool    `help:"Only say what is new and which requests it would take; nothing is written, no registry is asked."`
	NoCache         bool    `help:"Ask registries for everything, also for what does not change."`
}

// learnedFor is how long a build that was killed, or that met a limit, may have
// its answers used by the next one. One that ends well forgets them.
const learnedFor = 24 * time.Hour

func (catalogueBuildCmd) Help() string {
	return `Examples:
  galley catalogue build
  galley catalogue build --build staging --report report.json
  galley catalogue build --dry-run

A version is an annotated tag. Each is read at its tag, linted, its images
resolved and its files bundled; a version that fails is left out, with the
reason, and never stops the others. What the folder holds is not built again: a
version is known by its tag object. A tag that moved or was removed changes
nothing of what is published. Exit code 1: a source could not be read, the tag of
a published version moved, or versions wait for a registry that is down, limits
requests or may not be asked more; the next build goes on with them.`
}

// Run builds and lists what was refused.
func (c *catalogueBuildCmd) Run(ctx context.Context, s *streams) error {
	config, err := catalogue.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	options := registry.Options{Rewrites: config.Registries, Insecure: config.Insecure, UserAgent: "galley/" + buildVersion(), MaxRequests: int64(cmp.Or(c.MaxRequests, config.MaxRequests))}
	if !c.NoCache {
		options.CacheDir, options.Learned = cacheDir("registry"), learnedFor
	}
	resolver := registry.New(options)
	defer resolver.Close()
	build, err := c.options()
	if err != nil {
		return err
	}
	build.Resolver, build.Progress = resolver, s.showBuild
	if c.DryRun {
		return c.dryRun(ctx, s, config, build)
	}
	if s.progress {
		build.Estimated = s.showEstimate
	}
	report, err := catalogue.Build(ctx, config, build)
	s.status("")
	if err != nil {
		return err
	}
	err = s.report(report, c.Report, func() error { return s.printReport(report) })
	if err == nil && len(report.Failed())+len(report.Down())+report.Moved+report.Postponed > 0 {
		return answered{fault.No}
	}
	return err
}

// options are what does not come from the configuration.
func (c *catalogueBuildCmd) options() (catalogue.BuildOptions, error) {
	beside := filepath.Dir(c.Config)
	yanked, err := catalogue.LoadYanks(filepath.Join(beside, catalogue.YankedName))
	if err != nil {
		return catalogue.BuildOptions{}, err
	}
	options := catalogue.BuildOptions{
		Output: c.Build, Rules: rules.All(), CacheDir: cacheDir("git"), Yanked: yanked, Relint: c.Relint,
	}
	switch {
	case c.Previous != nil:
		options.Previous = *c.Previous
	case isFile(filepath.Join("public", "metadata", "timestamp.json")):
		options.Previous = "public"
	}
	if root, err := readLimited(filepath.Join(beside, catalogue.RootName), 1<<20); err == nil {
		options.PreviousRoot = root
	}
	return options, nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func (s *streams) printReport(r *catalogue.Report) error {
	var rows [][]string
	for _, source := range r.Sources {
		rows = append(rows, []string{
			source.Name, fmt.Sprint(len(source.Published)), fmt.Sprint(len(source.Refused)), cmp.Or(source.Newest(), "none"),
		})
	}
	if err := s.table([]string{"RECIPE", "PUBLISHED", "REFUSED", "NEWEST"}, rows); err != nil {
		return err
	}
	s.printLists(r.Lists)
	for _, source := range r.Failed() {
		s.printf("failed: %s: %s\n", source.Name, oneLine(source.Error))
	}
	refused := refusals{}
	for _, source := range r.Sources {
		if source.Error == "" && len(source.Published)+len(source.Refused) == 0 {
			s.notef("galley: note: %s has no tags, so no versions\n", source.Name)
		}
		s.printMoved(source.Name, source.Moved)
		for _, w := range source.Withdrawn {
			s.printf("withdrawn: %s %s: %s\n", source.Name, w.Version, oneLine(w.Withdrawal.String()))
		}
		refused.print(s, source.Refused)
	}
	refused.printRest(s)
	if r.Postponed > 0 {
		s.notef("galley: note: %s for a registry; what was learned is kept, and the next build goes on from there\n", waiting(r.Postponed))
	}
	s.printf("%s of %s in %s, %d new; %s, %s, %.1f s\n",
		count(r.Versions, "version"), count(r.Recipes, "recipe"), r.Output, r.New,
		count(r.Requests.References, "image reference"), count(int(r.Requests.Heads+r.Requests.Gets), "request"), r.Seconds)
	return nil
}

func waiting(versions int) string {
	if versions == 1 {
		return "1 version waits"
	}
	return fmt.Sprintf("%d versions wait", versions)
}

func (s *streams) printLists(lists []catalogue.ListReport) {
	for _, l := range lists {
		if l.Skipped == "" {
			s.printf("failed: list %s: %s\n", l.Location, oneLine(l.Reason))
			continue
		}
		s.notef("galley: note: %s of %s is left out: %s\n", l.Skipped, l.Location, oneLine(l.Reason))
	}
}

func (s *streams) printMoved(recipe string, list []catalogue.Moved) {
	for _, moved := range list {
		s.printf("moved: %s %s: published from commit %s, the tag names %s now; the published one stays\n",
			recipe, moved.Version, short(moved.Published), short(moved.Now))
	}
}
