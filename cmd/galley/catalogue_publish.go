package main

import (
	"context"
	"fmt"

	"github.com/galley-coop/galley/catalogue"
)

type cataloguePublishCmd struct {
	Target  string `arg:"" help:"A folder, or oci://host/repository[:tag]." placeholder:"DIR|oci://…"`
	Public  string `default:"public" help:"The signed catalogue." placeholder:"DIR"`
	Root    string `env:"GALLEY_ROOT" help:"Pinned root.json that the catalogue must lead to." placeholder:"FILE"`
	Recheck bool   `help:"Look at everything that is there already, and repair it."`
}

func (cataloguePublishCmd) Help() string {
	return `Examples:
  galley catalogue publish /srv/www/catalogue
  galley catalogue publish oci://registry.example.org/coop/catalogue
  GALLEY_CATALOGUE=oci://registry.example.org/coop/catalogue galley catalogue show matomo

The signed catalogue is verified as a whole before anything is copied; exit code
4 means that it, or what stands at the target, is not what it should be. Content
goes first and the timestamp last, so readers see the old catalogue or the new
one, and a run that was killed is finished by the next. What is there is not
copied again. A registry is asked with the login of docker login; oci+http:// is
for one without TLS.`
}

// Run publishes and says what that took.
func (c *cataloguePublishCmd) Run(ctx context.Context, s *streams) error {
	options := catalogue.PublishOptions{Public: c.Public, Target: c.Target, Recheck: c.Recheck, Progress: s.showPublish}
	if c.Root != "" {
		root, err := readLimited(c.Root, 1<<20)
		if err != nil {
			return fmt.Errorf("reading the pinned root: %w", err)
		}
		options.Root = root
	}
	p, err := catalogue.Publish(ctx, options)
	s.status("")
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(p)
	}
	was := fmt.Sprintf("was %d", p.Previous)
	switch p.Previous {
	case 0:
		was = "was empty"
	case p.Version:
		was = "as before"
	}
	s.printf("%s: version %d (%s), %d files; %d written, %d bytes", p.Target, p.Version, was, p.Files, p.Written, p.WrittenBytes)
	if p.Requests > 0 {
		s.printf(", %d requests", p.Requests)
	}
	s.printf("\n")
	return nil
}

// showPublish shows how far a publish is, on a terminal.
func (s *streams) showPublish(e catalogue.PublishEvent) {
	if e.Total == 0 {
		s.status("%s", e.Stage)
		return
	}
	s.status("%s: %d of %d", e.Stage, e.Done, e.Total)
}
