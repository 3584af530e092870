package main

import (
	"context"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

type appNewCmd struct {
	Recipe string `arg:"" help:"The recipe, and the version when it is not to be the newest: matomo:1.2.0+5.1.0."`
	Domain string `required:"" short:"d" help:"The app's domain." placeholder:"DOMAIN"`
	Server string `default:"default" short:"s" help:"The docker context it will run on." placeholder:"SERVER"`
}

func (appNewCmd) Help() string {
	return `Examples:
  galley app new matomo --domain stats.example.org --server prod1
  galley app new matomo:1.2.0+5.1.0 -d stats.example.org -s prod1

It writes the env file from the recipe's sample and touches no server.`
}

// Run writes the app's env file.
func (c *appNewCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	name, version, _ := strings.Cut(c.Recipe, ":")
	client, err := apps.open(ctx, s, apps.From, name)
	if err != nil {
		return err
	}
	published, entry, err := client.Entry(ctx, name, version)
	if err != nil {
		return err
	}
	if w := published.Release(entry.Version).Withdrawn; w != nil {
		err := fault.New(fault.Refused, "%s %s is withdrawn (%s)", name, entry.Version, oneLine(w.String()))
		return fault.Hint(err, "galley catalogue show %s lists the others", name)
	}
	files, err := client.Bundle(ctx, entry)
	if err != nil {
		return err
	}
	loaded, err := recipe.Load(files, recipe.Options{Name: published.Name, Compose: entry.Compose})
	if err != nil {
		return err
	}
	from, err := apps.catalogueName(ctx, client)
	if err != nil {
		return err
	}
	app, err := apps.dir().New(deployer.NewOptions{Sample: loaded, Recipe: published.Name, Version: entry.Version, Domain: c.Domain, Server: c.Server, Catalogue: from})
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(appItem{app.Domain, app.Server, app.Recipe, app.Version, app.Path})
	}
	s.printf("%s %s will be %s\n", app.Recipe, app.Version, app.Domain)
	s.printf("env file: %s\n", app.Path)
	s.printf("next: edit it, then galley app secret generate %s, then galley app deploy %s\n", app.Domain, app.Domain)
	return nil
}

// catalogueName is the name that the env file keeps of an app's catalogue: "" where
// there is but one to choose.
func (a *appCmd) catalogueName(ctx context.Context, client *catalogue.Client) (string, error) {
	if len(a.locations()) < 2 {
		return "", nil
	}
	index, err := client.Index(ctx)
	if err != nil {
		return "", err
	}
	return index.Name, nil
}

// appItem is one app in a JSON answer.
type appItem struct {
	Domain  string `json:"domain"`
	Server  string `json:"server"`
	Recipe  string `json:"recipe"`
	Version string `json:"version"`
	Path    string `json:"path"`
}
