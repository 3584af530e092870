package main

import (
	"context"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
)

type catalogueDiffCmd struct {
	Before   string   `arg:"" help:"A published catalogue: a folder or an address." placeholder:"DIR|URL"`
	After    string   `arg:"" help:"A later one, or the folder of a build that is not signed yet." placeholder:"DIR|URL"`
	Recipes  []string `arg:"" optional:"" name:"recipe" help:"Only these recipes."`
	Markdown bool     `help:"Write release notes."`
	Root     string   `env:"GALLEY_ROOT" help:"Pinned root.json that published catalogues must lead to." placeholder:"FILE"`
}

func (catalogueDiffCmd) Help() string {
	return `Examples:
  galley catalogue diff public build
  galley catalogue diff https://catalogue.example.org public --markdown
  galley catalogue diff oci://registry.example.org/coop/catalogue public matomo

Published catalogues are verified. A build is not signed, so it may only be the
second: the answer is what a sign would publish. Only what differs is fetched.
Lines with "!" are changes that must never happen: a published version that is
gone, or names another commit, bundle or digest. Exit code 1: they differ.`
}

// Run compares and prints what differs.
func (c *catalogueDiffCmd) Run(ctx context.Context, s *streams) error {
	if c.Markdown && s.json {
		return fault.New(fault.Usage, "--markdown and --output json exclude each other")
	}
	if catalogue.IsUnsigned(c.Before) {
		err := fault.New(fault.Usage, "%q is a build that is not signed; only the later one may be", c.Before)
		return fault.Hint(err, "galley catalogue diff PUBLISHED BUILD")
	}
	before, err := openCatalogue(ctx, s, c.Before, c.Root, trustDir())
	if err != nil {
		return err
	}
	defer before.Close()
	after, done, err := c.openAfter(ctx, s)
	if err != nil {
		return err
	}
	defer done()
	d, err := catalogue.Diff(ctx, before, after, c.Recipes...)
	if err != nil {
		return err
	}
	return c.print(s, d)
}

func (c *catalogueDiffCmd) openAfter(ctx context.Context, s *streams) (catalogue.Readable, func(), error) {
	if catalogue.IsUnsigned(c.After) {
		unsigned, err := catalogue.OpenUnsigned(c.After)
		if err != nil {
			return nil, nil, err
		}
		return unsigned, func() { _ = unsigned.Close() }, nil
	}
	client, err := openCatalogue(ctx, s, c.After, c.Root, trustDir())
	if err != nil {
		return nil, nil, err
	}
	return client, func() { _ = client.Close() }, nil
}

func (c *catalogueDiffCmd) print(s *streams, d *catalogue.Difference) (err error) {
	switch {
	case s.json:
		err = s.printJSON(d)
	case c.Markdown:
		s.printf("%s", d.Markdown())
	default:
		err = d.Render(s.out, s.colour)
	}
	if n := len(d.Broken); n > 0 {
		s.notef("galley: warning: what is published changed in %d places, which must never happen\n", n)
	}
	if err == nil && !d.Same {
		return answered{fault.No}
	}
	return err
}
