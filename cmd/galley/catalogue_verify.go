package main

import (
	"context"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
)

type catalogueVerifyCmd struct {
	Location string   `arg:"" name:"dir|url" help:"The published catalogue."`
	Root     string   `env:"GALLEY_ROOT" help:"Pinned root.json; without it the catalogue's own first root is taken." placeholder:"FILE"`
	Rebuild  []string `help:"Also make a recipe, or a version of it, again from the sources in the configuration, and compare; may be given again; all for everything." placeholder:"RECIPE[@VERSION]"`
	Config   string   `short:"c" default:"galley-catalogue.yml" help:"The catalogue's configuration, for --rebuild." placeholder:"FILE"`
}

func (catalogueVerifyCmd) Help() string {
	return `Examples:
  galley catalogue verify public
  galley catalogue verify https://catalogue.example.org --root root.json
  galley catalogue verify public --rebuild matomo --rebuild mailman@1.2.0+3.3.9

Of a folder every file is accounted for; of a web address everything that the
catalogue names. With --rebuild entries and bundles are made again from git, and
compared; digests are the registries', and taken as published. Exit code 4:
something is not what was signed, or not what the sources give; 3: a version
could not be made again.`
}

// Run verifies everything and names what is wrong.
func (c *catalogueVerifyCmd) Run(ctx context.Context, s *streams) error {
	client, err := clientOptions(c.Root, "")
	if err != nil {
		return err
	}
	v, err := catalogue.Verify(ctx, c.Location, catalogue.VerifyOptions{Root: client.Root})
	if err != nil {
		return err
	}
	if len(c.Rebuild) > 0 && len(v.Problems) == 0 {
		return c.rebuild(ctx, s, v, client.Root)
	}
	if s.json {
		if err := s.printJSON(v); err != nil {
			return err
		}
		if len(v.Problems) > 0 {
			return answered{fault.Refused}
		}
		return nil
	}
	for _, name := range v.Stale {
		s.notef("galley: note: %s is not that of the current catalogue: a sign or publish was cut short, the next one puts it right\n", oneLine(name))
	}
	for _, name := range v.Leftovers {
		s.notef("galley: note: %s was left by a sign that was cut short; the next one removes it\n", oneLine(name))
	}
	for _, p := range v.Problems {
		s.printf("%s %s\n", oneLine(p.File), oneLine(p.Reason))
	}
	if len(v.Problems) > 0 {
		return fault.New(fault.Refused, "%s is not what was signed: %s, %s checked", c.shown(v), count(len(v.Problems), "problem"), count(v.Checked, "file"))
	}
	s.printVerified(c.shown(v), v)
	return nil
}

// shown is the location as it was given, but for an address, which may hold a
// login.
func (c *catalogueVerifyCmd) shown(v *catalogue.Verification) string {
	if strings.Contains(c.Location, "://") {
		return v.Location
	}
	return c.Location
}
