package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

type appUpgradeCmd struct {
	Apps        []string `arg:"" optional:"" name:"domain" help:"The app's domain, and the version when it is not to be the newest that is vetted and not withdrawn. With --auto: domains (default: all apps)."`
	Server      string   `short:"s" help:"The app's server, when the domain is on several; with --auto, only the apps there." placeholder:"SERVER"`
	Auto        bool     `help:"For a timer: upgrade the apps with ENABLE_AUTO_UPDATE=true to their newest patch, without asking."`
	deployFlags `embed:""`
}

func (appUpgradeCmd) Help() string {
	return `Examples:
  galley app upgrade stats.example.org
  galley app upgrade stats.example.org 1.3.0+5.2.0 --yes
  galley app upgrade --auto --server prod1

The release notes of every version between are shown with the plan. A version
behind the one that runs is refused: galley app rollback goes back. The exit codes
are those of galley app deploy; 0 also when there is nothing to upgrade.

With --auto only apps whose env file says ENABLE_AUTO_UPDATE=true are touched, and
only when they are healthy. They get a version with the same major and minor
numbers, of which the app's own first number is the same too, that is vetted and
not withdrawn, and whose release notes do not say that it is irreversible. What
fails is put back, and the next app is looked at. The exit code is the worst one.`
}

// Run upgrades one app, or with --auto all that want it.
func (c *appUpgradeCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	if c.Auto {
		return c.auto(ctx, s, signals, apps)
	}
	if len(c.Apps) == 0 || len(c.Apps) > 2 {
		err := fault.New(fault.Usage, "expected an app's domain, and perhaps a version")
		return fault.Hint(err, "galley app upgrade DOMAIN [VERSION]; --auto upgrades several")
	}
	asked := ""
	if len(c.Apps) == 2 {
		asked = c.Apps[1]
	}
	app, engine, err := apps.reach(ctx, s, oneApp{c.Apps[0], c.Server})
	if err != nil {
		return err
	}
	defer engine.Close()
	running, err := runningVersion(ctx, engine, app)
	if err != nil {
		return err
	}
	client, published, entry, err := c.target(ctx, s, apps, app, running, asked)
	if err != nil || entry == nil {
		return err
	}
	w, err := apps.wantEntry(ctx, app, client, published, entry, c.allowFlags)
	if err != nil {
		return err
	}
	if err := w.judge(c.allowFlags); err != nil {
		return err
	}
	if err := w.current(ctx, engine); err != nil {
		return err
	}
	options := c.options(signals, deployer.OpUpgrade)
	return c.bring(ctx, s, grammar, apps, w, engine, "Upgrade to "+entry.Version+"?", &options, func(*deployer.Plan) error { return nil })
}

// runningVersion is the version that a deployed app runs. A work tree's is refused:
// nothing is known to be newer.
func runningVersion(ctx context.Context, engine *deployer.Engine, app deployer.App) (string, error) {
	standing, err := standingOf(ctx, engine, app)
	if err != nil {
		return "", err
	}
	running := standing.Version()
	if _, err := recipe.ParseVersion(running); err != nil {
		err := fault.New(fault.Unavailable, "%s runs %q, which is no published version", app.Domain, running)
		return "", fault.Hint(err, "galley app deploy %s VERSION brings it to one", app.Domain)
	}
	return running, nil
}

// standingOf is what the swarm has of an app that must be deployed.
func standingOf(ctx context.Context, engine *deployer.Engine, app deployer.App) (*deployer.Stack, error) {
	standing, err := engine.Current(ctx, app.Stack, nil)
	if err != nil {
		return nil, err
	}
	if len(standing.Services) == 0 {
		err := fault.New(fault.Unavailable, "there is no stack %q on server %q", app.Stack, app.Server)
		return nil, fault.Hint(err, "galley app deploy %s brings it there", app.Domain)
	}
	return standing, nil
}

// target finds the entry to upgrade to. It is nil, and said, when there is none.
func (c *appUpgradeCmd) target(ctx context.Context, s *streams, apps *appCmd, app deployer.App, running, asked string) (*catalogue.Client, *catalogue.Recipe, *catalogue.Entry, error) {
	client, err := apps.catalogueOf(ctx, s, app)
	if err != nil {
		return nil, nil, nil, err
	}
	published, err := client.Recipe(ctx, app.Recipe)
	if err != nil {
		return nil, nil, nil, err
	}
	if asked == running {
		return client, published, nil, s.nothingToUpgrade(app, running, nil)
	}
	if asked != "" {
		_, entry, err := client.Entry(ctx, app.Recipe, asked)
		if err == nil {
			err = forward(app, running, asked)
		}
		return client, published, entry, err
	}
	take := vettedOnly
	if c.unvetted() {
		take = func(*catalogue.Entry) string { return "" }
	}
	entry, passed, err := client.Upgrade(ctx, published, running, take)
	if err != nil {
		return nil, nil, nil, err
	}
	if entry == nil {
		return client, published, nil, s.nothingToUpgrade(app, running, passed)
	}
	s.notePassedOver(passed)
	return client, published, entry, nil
}

// vettedOnly is what an upgrade takes that was told nothing else.
func vettedOnly(e *catalogue.Entry) string {
	if e.Lint.Vetted {
		return ""
	}
	return notVetted
}

// forward refuses a version that is not newer than the one that runs.
func forward(app deployer.App, running, asked string) error {
	now, err := recipe.ParseVersion(running)
	if err != nil {
		return err
	}
	next, err := recipe.ParseVersion(asked)
	if err != nil {
		return err
	}
	if next.Compare(now) > 0 {
		return nil
	}
	err = fault.New(fault.Usage, "version %s is older than %s, which runs", asked, running)
	return fault.Hint(err, "galley app rollback %s %s goes back", app.Domain, asked)
}

func (s *streams) notePassedOver(passed []catalogue.PassedOver) {
	for _, p := range passed {
		s.notef("galley: note: %s is passed over: %s\n", p.Version, oneLine(p.Reason))
	}
}

// nothingToUpgrade is the answer when the app runs the newest version there is.
func (s *streams) nothingToUpgrade(app deployer.App, running string, passed []catalogue.PassedOver) error {
	if s.json {
		if passed == nil {
			passed = []catalogue.PassedOver{}
		}
		return s.printJSON(struct {
			Domain     string                 `json:"domain"`
			Version    string                 `json:"version"`
			Upgrade    string                 `json:"upgrade"`
			PassedOver []catalogue.PassedOver `json:"passed_over"`
		}{app.Domain, running, "", passed})
	}
	s.notePassedOver(passed)
	s.printf("%s: nothing to upgrade; it runs %s %s\n", app.Domain, app.Recipe, running)
	return nil
}

// catalogueOf opens the catalogue that an app's recipe comes from.
func (a *appCmd) catalogueOf(ctx context.Context, s *streams, app deployer.App) (*catalogue.Client, error) {
	client, err := a.open(ctx, s, cmp.Or(a.From, app.Catalogue), app.Recipe)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", app.Domain, err)
	}
	return client, nil
}
