package main

import (
	"context"
	"errors"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

type appMoveCmd struct {
	Domain          string `arg:"" help:"The app's domain."`
	To              string `required:"" help:"The server to move to." placeholder:"SERVER"`
	On              string `help:"The app's server, when the domain is on several." placeholder:"SERVER"`
	Yes             bool   `short:"y" help:"Go on without asking."`
	backupFlags     `embed:""`
	repositoryFlags `embed:""`
	restoreFlags    `embed:""`
}

// Help is printed under the command's usage.
func (appMoveCmd) Help() string {
	return `Examples:
  galley app move cloud.example.org --to frankfurt

Stops the app, backs it up, restores it on the other server, watches and verifies it
there, and takes it off the old server, where its volumes and secrets stay until
galley app undeploy --purge. When anything fails before that the app runs again where
it was. Where its domain leads is yours to change: galley tells what it finds.

The exit codes are those of galley app restore.`
}

// Run moves.
func (c *appMoveCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	app, source, err := apps.reach(ctx, s, oneApp{c.Domain, c.On})
	if err != nil {
		return err
	}
	defer source.Close()
	if c.To == app.Server {
		return fault.New(fault.Usage, "%s is on server %q already", c.Domain, c.To)
	}
	if err := apps.free(c.Domain, c.To); err != nil {
		return err
	}
	target, err := apps.connect(ctx, s, c.To)
	if err != nil {
		return err
	}
	defer target.Close()
	if target.Cluster == source.Cluster {
		return fault.New(fault.Usage, "servers %q and %q are the same swarm", app.Server, c.To)
	}
	if err := standsNot(ctx, target, app.Stack); err != nil {
		return err
	}
	if !c.Yes {
		if err := s.confirm(ctx, "Stop "+c.Domain+" on server "+app.Server+" and move it to "+c.To+"?", "--yes", grammar.NoInput); err != nil {
			return err
		}
	}
	repository, err := c.open(ctx, s, apps, true)
	if err != nil {
		return err
	}
	var hold *deployer.Hold
	manifest, err := c.create(ctx, s, signals, source, repository, app, func(h *deployer.Hold) { hold = h })
	if err != nil {
		return err
	}
	back := &comeback{apps: apps, streams: s, signals: signals, repository: repository, manifest: manifest, flags: c.restoreFlags, hookTimeout: c.HookTimeout, engine: target}
	restored, err := c.there(ctx, s, back)
	if err != nil {
		if again := hold.Resume(context.WithoutCancel(ctx)); again != nil {
			return fault.Wrap(fault.Left, errors.Join(err, again))
		}
		return fault.Hint(err, "%s runs again on server %s", c.Domain, app.Server)
	}
	hold.Close(ctx)
	tellDNS(ctx, s, back)
	if _, err := source.Undeploy(ctx, app.Stack, nil); err != nil {
		err = fault.Wrap(fault.Left, err)
		return fault.Hint(err, "%s runs on server %s; take it off %s: galley app undeploy %s --server %s", c.Domain, c.To, app.Server, c.Domain, app.Server)
	}
	s.notef("galley: note: server %s keeps its volumes, its secrets and %s: galley app undeploy %s --server %s --purge removes the former\n", app.Server, app.Path, c.Domain, app.Server)
	return s.printRestored(back.prepared.App, restored)
}

// tellDNS tells where the app's names lead by now.
func tellDNS(ctx context.Context, s *streams, back *comeback) {
	warnings, err := back.engine.CheckDNS(ctx, back.wanted.desired, true, deployer.DNSOptions{})
	if err != nil {
		warnings = append(warnings, err.Error())
	}
	for _, warning := range warnings {
		s.notef("galley: warning: %s\n", oneLine(warning))
	}
}

// there restores on the other server.
func (c *appMoveCmd) there(ctx context.Context, s *streams, back *comeback) (*backup.Restored, error) {
	if err := back.prepare(ctx, backup.Target{Dir: back.apps.dir(), Domain: c.Domain, Server: c.To}); err != nil {
		return nil, err
	}
	if !s.json {
		back.show()
	}
	return back.carryOut(ctx, true)
}
