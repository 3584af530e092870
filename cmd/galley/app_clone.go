package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

type appCloneCmd struct {
	Domain          string `arg:"" help:"The app's domain."`
	To              string `required:"" help:"The new app's domain." placeholder:"DOMAIN"`
	Server          string `short:"s" help:"The server of the new app (default: the app's own)." placeholder:"SERVER"`
	On              string `help:"The app's server, when the domain is on several." placeholder:"SERVER"`
	RunID           string `name:"run" help:"Clone what this run has, instead of making a new backup." placeholder:"RUN"`
	Yes             bool   `short:"y" help:"Go on without asking."`
	backupFlags     `embed:""`
	repositoryFlags `embed:""`
	restoreFlags    `embed:""`
}

// Help is printed under the command's usage.
func (appCloneCmd) Help() string {
	return `Examples:
  galley app clone cloud.example.org --to staging.example.org
  galley app clone cloud.example.org --to cloud.example.net --server frankfurt
  galley app clone cloud.example.org --to test.example.org --run latest

Backs the app up and restores it as another one: data, env file, secrets and version.
In the env file DOMAIN is the new one's; lines that still name the old one are told.

The exit codes are those of galley app restore.`
}

// Run clones.
func (c *appCloneCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	app, source, err := apps.reach(ctx, s, oneApp{c.Domain, c.On})
	if err != nil {
		return err
	}
	defer source.Close()
	server := cmp.Or(c.Server, app.Server)
	if err := apps.free(c.To, server); err != nil {
		return err
	}
	target := source
	if server != app.Server {
		if target, err = apps.connect(ctx, s, server); err != nil {
			return err
		}
		defer target.Close()
	}
	if err := standsNot(ctx, target, deployer.StackName(c.To)); err != nil {
		return err
	}
	if !c.Yes {
		if err := s.confirm(ctx, "Clone "+c.Domain+" as "+c.To+" on server "+server+"?", "--yes", grammar.NoInput); err != nil {
			return err
		}
	}
	repository, err := c.open(ctx, s, apps, true)
	if err != nil {
		return err
	}
	var manifest *backup.Manifest
	if c.RunID != "" {
		manifest, err = manifestOf(ctx, repository, c.Domain, c.RunID)
	} else {
		manifest, err = c.create(ctx, s, signals, source, repository, app, nil)
	}
	if err != nil {
		return err
	}
	back := &comeback{apps: apps, streams: s, signals: signals, repository: repository, manifest: manifest, flags: c.restoreFlags, hookTimeout: c.HookTimeout, engine: target}
	if err := back.prepare(ctx, backup.Target{Dir: apps.dir(), Domain: c.To, Server: server}); err != nil {
		return err
	}
	if !s.json {
		back.show()
	}
	restored, err := back.carryOut(ctx, true)
	if err != nil {
		return err
	}
	return s.printRestored(back.prepared.App, restored)
}

// free refuses a domain that a server has an env file of.
func (a *appCmd) free(domain, server string) error {
	app, err := a.dir().Find(domain, server)
	if err != nil {
		return nil
	}
	err = fault.New(fault.Usage, "app %q exists already: %s", domain, app.Path)
	return fault.Hint(err, "take another domain, or undeploy it and remove its env file first")
}

// standsNot refuses a server that has a stack of that name: its volumes would be written.
// A history alone is no obstacle: one stays of a move that failed.
func standsNot(ctx context.Context, engine *deployer.Engine, stack string) error {
	remains, err := engine.Remains(ctx, stack, nil)
	remains = slices.DeleteFunc(remains, func(line string) bool { return strings.HasPrefix(line, "record galley_history_") })
	if err == nil && len(remains) > 0 {
		err = fault.New(fault.Unavailable, "server %q has something of a stack %q: %s", engine.Server, stack, remains[0])
		err = fault.Hint(err, "galley app undeploy --purge removes what an app has left")
	}
	return err
}
