package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/catalogue"
)

type catalogueShowCmd struct {
	Recipe         string `arg:"" help:"A recipe, or a version of it: matomo@1.2.0+5.1.0."`
	catalogueFlags `embed:""`
}

func (catalogueShowCmd) Help() string {
	return `Examples:
  galley catalogue show matomo --catalogue https://catalogue.example.org
  galley catalogue show matomo@1.2.0+5.1.0`
}

// Run prints a recipe's versions, or one version's images.
func (c *catalogueShowCmd) Run(ctx context.Context, s *streams) error {
	name, version, one, err := nameAtVersion(c.Recipe)
	if err != nil {
		return err
	}
	clients, err := c.clients(s, trustDir())
	if err != nil {
		return err
	}
	defer clients.Close()
	client, err := clients.For(ctx, c.From, name)
	if err != nil {
		return err
	}
	if one {
		return c.showEntry(ctx, s, client, name, version)
	}
	recipe, err := client.Recipe(ctx, name)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(recipe)
	}
	s.printf("%s: %s\n", recipe.Name, recipe.Description)
	entries, err := client.Entries(ctx, recipe)
	if err != nil {
		return err
	}
	var rows [][]string
	for i, e := range entries {
		state := verdictText(e.Lint)
		if w := recipe.Versions[i].Withdrawn; w != nil {
			state = oneLine(w.String())
		}
		rows = append(rows, []string{e.Version, e.Date.Format("2006-01-02"), short(e.Commit), fmt.Sprint(len(e.Images)), state})
	}
	return s.table([]string{"VERSION", "DATE", "COMMIT", "IMAGES", "LINT"}, rows)
}

func (c *catalogueShowCmd) showEntry(ctx context.Context, s *streams, client *catalogue.Client, name, version string) error {
	recipe, entry, err := client.Entry(ctx, name, version)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(entry)
	}
	s.printf("%s %s\n", name, entry.Version)
	if w := recipe.Release(entry.Version).Withdrawn; w != nil {
		s.printf("state   %s\n", oneLine(w.String()))
	}
	if entry.Signer != nil {
		s.printf("signed  %s (%s %s)\n", oneLine(entry.Signer.Name), entry.Signer.Kind, entry.Signer.Fingerprint)
	}
	s.printf("commit  %s, %s, %s\n", short(entry.Commit), entry.Date.Format("2006-01-02"), entry.Tagger)
	s.printf("lint    %s\n", verdictText(entry.Lint))
	s.printf("bundle  sha256:%s, %d bytes\n", entry.Bundle.SHA256, entry.Bundle.Size)
	for _, line := range strings.Split(strings.TrimSpace(entry.Notes), "\n") {
		if line != "" {
			s.printf("notes   %s\n", oneLine(line))
		}
	}
	var rows [][]string
	for _, image := range entry.Images {
		rows = append(rows, []string{image.Reference, strings.Join(image.Services, " "), image.Digest})
		for _, p := range image.Platforms {
			rows = append(rows, []string{"  " + p.Platform, "", p.Manifest})
		}
	}
	return s.table([]string{"IMAGE", "SERVICES", "DIGEST"}, rows)
}

func verdictText(v catalogue.Verdict) string {
	vetted := "not vetted"
	if v.Vetted {
		vetted = "vetted"
	}
	return fmt.Sprintf("%s (gate %s): %d errors, %d warnings, %d infos", vetted, v.Gate, v.Errors, v.Warnings, v.Infos)
}
