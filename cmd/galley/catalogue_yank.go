package main

import (
	"path/filepath"

	"github.com/galley-coop/galley/catalogue"
)

type catalogueYankCmd struct {
	catalogueConfig `embed:""`
	Version         string `arg:"" name:"recipe@version" help:"The version to withdraw."`
	Reason          string `required:"" help:"Why; operators are shown it." placeholder:"TEXT"`
}

func (catalogueYankCmd) Help() string {
	return `Examples:
  galley catalogue yank matomo@1.2.0+5.1.0 --reason "loses reports of the last hour"

It adds a line to yanked.txt beside the configuration; the next build marks the
version. A withdrawn version stays readable, for those who run it, and is not
offered to others. Remove the line to take it back.`
}

// Run writes the line.
func (c *catalogueYankCmd) Run(s *streams) error {
	name := filepath.Join(filepath.Dir(c.Config), catalogue.YankedName)
	if err := catalogue.Yank(name, c.Version, c.Reason); err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]string{"file": name, "version": c.Version, "reason": c.Reason})
	}
	s.printf("%s: %s is withdrawn\nnext: galley catalogue build, then galley catalogue sign\n", name, c.Version)
	return nil
}
