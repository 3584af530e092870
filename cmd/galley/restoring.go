package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

// comeback is a run on its way to an app: what restore, clone, move and drill share.
type comeback struct {
	apps       *appCmd
	streams    *streams
	signals    *signals
	repository *backup.Repository
	manifest   *backup.Manifest
	flags      restoreFlags
	// hookTimeout bounds each hook of the recipe.
	hookTimeout time.Duration
	// chaos is the folder of a work tree to deploy instead of what was recorded, "" for
	// none.
	chaos folder
	// trial says that it is none of the operator's apps: hooks are not told of it.
	trial bool
	// apart are other names for volumes of a trial.
	apart map[string]string

	engine   *deployer.Engine
	prepared *backup.Prepared
	wanted   *wanted
	secrets  *backup.SecretPlan
}

// restoreFlags say how a run is brought back.
type restoreFlags struct {
	Node        string        `help:"The node for volumes that are not there yet, by host name." placeholder:"NODE"`
	Timeout     time.Duration `help:"How long services may take to converge, pulling aside (default: the recipe's, else 5m)." placeholder:"5m"`
	PullTimeout time.Duration `help:"How long pulling images may take (default 10m)." placeholder:"10m"`
}

// prepare reads what the run has, and works out what it takes at the target: nothing is
// changed.
func (c *comeback) prepare(ctx context.Context, to backup.Target) (err error) {
	if c.prepared, err = backup.Prepare(ctx, c.repository, c.manifest, to); err != nil {
		return err
	}
	if err := c.want(ctx); err != nil {
		return err
	}
	if c.secrets, err = c.prepared.PlanSecrets(ctx, c.engine, c.wanted.desired); err != nil {
		return err
	}
	if len(c.secrets.Conflict) > 0 {
		if err := c.raise(ctx); err != nil {
			return err
		}
	}
	if missing := c.secrets.Missing; len(missing) > 0 {
		err := fault.New(fault.Unavailable, "neither the backup nor the server has the secrets %s", strings.Join(missing, ", "))
		return fault.Hint(err, "galley app secret insert %s takes their values, once there is an env file", to.Domain)
	}
	return nil
}

// raise gives secrets whose names have other values on the swarm their next versions.
func (c *comeback) raise(ctx context.Context) error {
	rotation, err := c.engine.PlanRotation(ctx, c.prepared.App, c.wanted.desired, c.secrets.Conflict, true)
	if err != nil {
		return err
	}
	for _, r := range rotation.Secrets {
		c.prepared.Notes = append(c.prepared.Notes, fmt.Sprintf("secret %s has another value on the server: the backup's becomes %s", r.Old, r.New))
	}
	c.prepared.App = rotation.App
	if err := c.want(ctx); err != nil {
		return err
	}
	c.secrets, err = c.prepared.PlanSecrets(ctx, c.engine, c.wanted.desired)
	if err == nil && len(c.secrets.Conflict) > 0 {
		err = fault.New(fault.Unavailable, "the secrets %s are taken by other values, also under their next versions", strings.Join(c.secrets.Conflict, ", "))
	}
	return err
}

// want makes the stack of the version that was backed up: from the very entry that the
// run names, whatever the catalogue says of it today; else from the catalogue.
func (c *comeback) want(ctx context.Context) error {
	app, m := c.prepared.App, c.manifest
	if c.chaos != "" {
		w, err := c.apps.wantWhere(ctx, c.streams, app, "", c.chaos, allowFlags{})
		c.wanted = w
		return err
	}
	if m.Entry == "" && len(m.Unverified) > 0 {
		err := fault.New(fault.Refused, "what was backed up is from no catalogue: %s", strings.Join(m.Unverified, "; "))
		return fault.Hint(err, "--chaos DIR restores it with the recipe in a folder")
	}
	if m.Entry != "" {
		w, err := c.wantRecorded(ctx, app)
		if err == nil {
			c.wanted = w
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
	}
	w, err := c.apps.want(ctx, c.streams, app, m.Version)
	if err != nil {
		return err
	}
	if m.Entry != "" && w.desired.EntryDigest != m.Entry {
		c.prepared.Notes = append(c.prepared.Notes, fmt.Sprintf("the catalogue has another entry for %s than the one that was backed up", m.Version))
	}
	c.wanted = w
	return nil
}

func (c *comeback) wantRecorded(ctx context.Context, app deployer.App) (*wanted, error) {
	archive, err := c.apps.recorded()
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	entry, err := archive.Entry(ctx, app.Recipe, c.manifest.Version, c.manifest.Entry)
	if err != nil {
		return nil, err
	}
	return makeWanted(ctx, app, archive, entry, allowFlags{})
}

// show tells what is about to be done.
func (c *comeback) show() {
	s, m, app := c.streams, c.manifest, c.prepared.App
	s.printf("run %s of %s, %s, by %s\n", m.Run, m.Domain, m.Started.Local().Format("2006-01-02 15:04"), oneLine(m.By))
	s.printf("  into     %s on server %s\n", app.Domain, app.Server)
	s.printf("  version  %s %s\n", oneLine(m.Recipe), oneLine(m.Version))
	for _, p := range m.Parts {
		if p.Kind == backup.KindVolume || p.Kind == backup.KindPath {
			s.printf("  %-8s %s, %s, %s\n", p.Kind, oneLine(backup.Renamed(p.Volume, m.Stack, app.Stack)+p.Service+strings.Join(append([]string{""}, p.Paths...), " ")), count(int(p.Files), "file"), sizeText(p.Content))
		}
	}
	for _, name := range c.secrets.Create {
		s.printf("  secret   %s, to be made\n", oneLine(name))
	}
	for _, name := range c.secrets.Same {
		s.printf("  secret   %s, as it is\n", oneLine(name))
	}
	for _, name := range c.secrets.Kept {
		s.notef("galley: warning: secret %s is not in the backup; the one on the server is taken\n", oneLine(name))
	}
	for _, note := range append(c.prepared.Notes, c.wanted.desired.Warnings...) {
		s.notef("galley: note: %s\n", oneLine(note))
	}
}

// carryOut restores, and writes the env file and the secrets on the way. What fails leaves
// none of them, unless the state is unknown: then they stay for the next try.
func (c *comeback) carryOut(ctx context.Context, saves bool) (*backup.Restored, error) {
	beside := deployer.RestoredBeside{Secrets: append([]string{}, c.secrets.Create...)}
	app := c.prepared.App
	if saves {
		var err error
		if beside.Env, beside.EnvMade, err = app.SaveName(app.Domain + ".env.before-" + c.manifest.Run); err != nil {
			return nil, err
		}
	}
	return c.restore(ctx, beside, func(ctx context.Context) error {
		if saves {
			if _, err := app.Save(beside.Env); err != nil {
				return err
			}
		}
		return c.secrets.Make(ctx, c.engine, app.Stack)
	})
}

func (c *comeback) restore(ctx context.Context, beside deployer.RestoredBeside, write func(context.Context) error) (*backup.Restored, error) {
	report, done := c.streams.watchBackup()
	defer done()
	options := watchFlags{Timeout: c.flags.Timeout, PullTimeout: c.flags.PullTimeout}.options(c.signals, deployer.OpRestore)
	options.Catalogue = c.wanted.mark()
	options.Report = deployLines(report)
	restored, err := backup.Restore(ctx, c.engine, backup.RestoreOptions{
		Repository: c.repository, Manifest: c.manifest, Desired: c.wanted.desired, Deploy: options, App: c.prepared.App, Beside: beside, Make: write,
		Apart: c.apart, Node: c.flags.Node, HookTimeout: c.hookTimeout, Report: report,
	})
	if restored != nil && restored.Outcome.Verdict != "" && !c.trial {
		c.streams.tell(ctx, c.engine, c.prepared.App, &restored.Outcome)
	}
	return restored, err
}

// deployLines hands a deploy's events on as steps of a restore.
func deployLines(report func(backup.Progress)) func(deployer.Event) {
	var last string
	return func(e deployer.Event) {
		text := e.Message
		if e.Service != "" {
			text = fmt.Sprintf("%s: %s, %d of %d", e.Service, e.Phase, e.Running, e.Slots)
		}
		if text != last {
			last = text
			report(backup.Progress{Stage: e.Stage, Part: e.Service, Message: text, Elapsed: e.Elapsed})
		}
	}
}
