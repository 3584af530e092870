package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

type catalogueAuditCmd struct {
	Recipes     []string `arg:"" optional:"" name:"recipe[@version]" help:"Only these recipes, or versions of them."`
	Catalogue   string   `env:"GALLEY_CATALOGUE" required:"" help:"The published catalogue: a folder, an address or oci://…." placeholder:"URL|DIR"`
	Root        string   `env:"GALLEY_ROOT" help:"Pinned root.json of the catalogue." placeholder:"FILE"`
	Config      string   `short:"c" help:"Configuration with the registries to ask instead (default: galley-catalogue.yml, if it is there)." placeholder:"FILE"`
	All         bool     `help:"Withdrawn versions too."`
	Report      string   `help:"Write the answer to a file, as JSON." placeholder:"FILE"`
	MaxRequests int      `help:"Send no more than this to registries; what is not asked then is told." placeholder:"N"`
}

func (catalogueAuditCmd) Help() string {
	return `Examples:
  galley catalogue audit --catalogue public
  galley catalogue audit matomo mailman@1.2.0+3.3.9 --catalogue https://catalogue.example.org
  galley catalogue audit --catalogue public --report audit.json --max-requests 500

Every published image is asked for once, by its tag, with a HEAD: does the tag
still name the digest that was published, and if not, can that still be pulled?
What is published does not change. Exit code 1: something differs; 3: nothing is
known to differ, but not all registries could be asked.`
}

// Run asks, and lists what differs with the versions that name it.
func (c *catalogueAuditCmd) Run(ctx context.Context, s *streams) error {
	options, err := c.registry()
	if err != nil {
		return err
	}
	resolver := registry.New(options)
	defer resolver.Close()
	client, err := openCatalogue(ctx, s, c.Catalogue, c.Root, trustDir())
	if err != nil {
		return err
	}
	defer client.Close()
	report, err := catalogue.Audit(ctx, client, catalogue.AuditOptions{
		Resolver: resolver, Names: c.Recipes, All: c.All,
		Progress: func(done, total int) { s.status("asked about %d of %d images", done, total) },
	})
	s.status("")
	if err != nil {
		return err
	}
	err = s.report(report, c.Report, func() error { return s.printAudit(report) })
	if n := report.OverBudget(); n > 0 {
		s.notef("galley: note: --max-requests %d are used up: %s not asked about\n", c.MaxRequests, count(n, "image"))
	}
	switch {
	case err != nil:
		return err
	case len(report.Drifts) > 0:
		return answered{fault.No}
	case len(report.Failures) > 0 && s.json:
		return answered{fault.Unavailable}
	case len(report.Failures) > 0:
		err := fault.New(fault.Unavailable, "%d of %s could not be asked about", report.Unknown, count(report.Pins, "published image"))
		return fault.Hint(err, "try again later, or name the recipes to ask about")
	}
	return nil
}

// registry are the options that come from the configuration.
func (c *catalogueAuditCmd) registry() (registry.Options, error) {
	options := registry.Options{CacheDir: cacheDir("registry"), UserAgent: "galley/" + buildVersion(), MaxRequests: int64(c.MaxRequests)}
	name := c.Config
	if name == "" && isFile(catalogue.ConfigName) {
		name = catalogue.ConfigName
	}
	if name == "" {
		return options, nil
	}
	config, err := catalogue.LoadConfig(name)
	options.Rewrites, options.Insecure = config.Registries, config.Insecure
	return options, err
}

func (s *streams) printAudit(r *catalogue.AuditReport) error {
	var rows [][]string
	for _, d := range r.Drifts {
		now, pull := "", "pullable"
		if d.Now != "" {
			now = shortDigest(d.Now)
		}
		if !d.Available {
			pull = "not pullable"
		}
		rows = append(rows, []string{d.State, d.Reference, shortDigest(d.Published), now, pull})
		for _, p := range d.Added {
			rows = append(rows, []string{"", "  platform added: " + p})
		}
		for _, p := range d.Removed {
			rows = append(rows, []string{"", "  platform removed: " + p})
		}
		for _, use := range d.Uses {
			rows = append(rows, []string{"", "  in " + use.Recipe + " " + fewest(use.Versions)})
		}
	}
	if len(rows) > 0 {
		if err := s.table([]string{"STATE", "IMAGE", "PUBLISHED", "NOW", "PUBLISHED ONE"}, rows); err != nil {
			return err
		}
	}
	for _, f := range r.Failures {
		s.printf("not known: %s: %s (in %s)\n", f.Reference, oneLine(f.Reason), usesText(f.Uses))
	}
	s.printf("%d moved, %d gone, %d unchanged, %d not known; %s of %s of %s, %s\n",
		r.Moved, r.Gone, r.Unchanged, r.Unknown, count(r.Pins, "published image"), count(r.Versions, "version"), count(r.Recipes, "recipe"),
		count(int(r.Requests.All()), "request"))
	return nil
}

func usesText(uses []catalogue.AuditUse) string {
	var list []string
	for _, u := range uses {
		list = append(list, u.Recipe+" "+fewest(u.Versions))
	}
	return fewest(list)
}

// shortDigest is enough of a digest to tell it from another by eye.
func shortDigest(digest string) string {
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) < 12 {
		return digest
	}
	return fmt.Sprintf("%s:%s", algorithm, hex[:12])
}
