package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appRollbackCmd struct {
	oneApp      `embed:""`
	Version     string `arg:"" optional:"" help:"The version to go back to (default: the last one before this that ran well, by the stack's history)."`
	Force       bool   `help:"Go back even past a version whose release notes say that it is irreversible."`
	deployFlags `embed:""`
}

func (appRollbackCmd) Help() string {
	return `Examples:
  galley app rollback stats.example.org
  galley app rollback stats.example.org 1.2.0+5.1.0 --yes

What goes back are specs and files, not data: volumes keep what the newer version
wrote. A version that the stack's history names is read by the hash that was
recorded there, so that the way back stays open when the catalogue has expired, has
withdrawn the version, or cannot be reached and was read here before.
The exit codes are those of galley app deploy; 4 also for notes that say that the
version that is left is irreversible.`
}

// Run goes back.
func (c *appRollbackCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	standing, err := standingOf(ctx, engine, app)
	if err != nil {
		return err
	}
	history, err := engine.History(ctx, app.Stack)
	if err != nil {
		return err
	}
	to, recorded, notes, err := deployer.RollbackTo(history, app.Recipe, standing.Version(), c.Version)
	for _, note := range notes {
		s.notef("galley: note: %s\n", oneLine(note))
	}
	if err != nil {
		return err
	}
	archive, err := apps.recorded()
	if err != nil {
		return err
	}
	defer archive.Close()
	var w *wanted
	if recorded {
		w, err = c.wantRecorded(ctx, s, apps, archive, app, to)
	} else {
		w, err = c.wantPublished(ctx, s, apps, engine, app)
	}
	if err != nil {
		return err
	}
	if err := c.readLeft(ctx, s, archive, w, standing); err != nil {
		return err
	}
	options := c.options(signals, deployer.OpRollback)
	return c.bring(ctx, s, grammar, apps, w, engine, "Go back to "+w.entry.Version+"?", &options, c.refuseIrreversible)
}

// wantRecorded is the stack of an entry that the swarm recorded.
func (c *appRollbackCmd) wantRecorded(ctx context.Context, s *streams, apps *appCmd, archive *catalogue.Recorded, app deployer.App, to deployer.Record) (*wanted, error) {
	entry, err := archive.Entry(ctx, app.Recipe, to.To, to.Entry)
	if err != nil {
		return nil, fault.Hint(err, "the way back needs the entry and the files of %s: from a catalogue that has them, or from the machine that deployed them", to.To)
	}
	w, err := makeWanted(ctx, app, archive, entry, c.allowFlags)
	if err != nil {
		return nil, err
	}
	w.recorded = to.Catalogue
	w.desired.Warnings = append(w.desired.Warnings, apps.doubts(ctx, s, app, to)...)
	return w, nil
}

// doubts are what the catalogue says today of a version that was recorded.
func (a *appCmd) doubts(ctx context.Context, s *streams, app deployer.App, to deployer.Record) []string {
	client, err := a.catalogueOf(ctx, s, app)
	if err != nil {
		return []string{fmt.Sprintf("the catalogue is of no use now (%s); %s is taken as the swarm recorded it", oneLine(err.Error()), to.To)}
	}
	published, err := client.Recipe(ctx, app.Recipe)
	if err != nil {
		return []string{fmt.Sprintf("the catalogue does not give the recipe now (%s); %s is taken as the swarm recorded it", oneLine(err.Error()), to.To)}
	}
	switch release := published.Release(to.To); {
	case release == nil:
		return []string{fmt.Sprintf("the catalogue does not have %s any more; it is taken as the swarm recorded it", to.To)}
	case release.Withdrawn != nil:
		return []string{fmt.Sprintf("%s %s is withdrawn (%s)", app.Recipe, to.To, oneLine(release.Withdrawn.String()))}
	case release.Entry != to.Entry:
		return []string{fmt.Sprintf("the catalogue has another entry for %s now; it is taken as the swarm recorded it", to.To)}
	}
	return nil
}

// wantPublished is the stack of a version that was never recorded here: only a
// catalogue that is in order vouches for it.
func (c *appRollbackCmd) wantPublished(ctx context.Context, s *streams, apps *appCmd, engine *deployer.Engine, app deployer.App) (*wanted, error) {
	w, err := apps.wantAllowed(ctx, s, app, c.Version, c.allowFlags)
	if err != nil {
		return nil, err
	}
	if err := w.judge(c.allowFlags); err != nil {
		return nil, err
	}
	return w, w.current(ctx, engine)
}

// readLeft reads the release notes of the version that is left, from its own files:
// the older version's cannot have them.
func (c *appRollbackCmd) readLeft(ctx context.Context, s *streams, archive *catalogue.Recorded, w *wanted, standing *deployer.Stack) error {
	running, digest := standing.Version(), standing.EntryDigest()
	if digest == "" {
		s.notef("galley: warning: what runs, %s, is not from a catalogue: whether it can be left is not known\n", oneLine(running))
		return nil
	}
	w.leftKnown = true
	entry, err := archive.Entry(ctx, w.app.Recipe, running, digest)
	if err == nil {
		left, loadErr := loadEntry(ctx, archive, entry)
		if err = loadErr; err == nil {
			w.desired.Notes = left.Notes
			return nil
		}
	}
	if c.Force {
		s.notef("galley: warning: the release notes of %s, which is left, cannot be read: %s\n", running, oneLine(err.Error()))
		return nil
	}
	err = fault.New(fault.Unavailable, "whether %s can be left is not known: %w", running, err)
	return fault.Hint(err, "--force goes back without its release notes")
}

// refuseIrreversible keeps from going back past what cannot be undone.
func (c *appRollbackCmd) refuseIrreversible(plan *deployer.Plan) error {
	versions := plan.Irreversible()
	if len(versions) == 0 || c.Force {
		return nil
	}
	err := fault.New(fault.Refused, "the release notes of %s say that there is no way back", strings.Join(versions, ", "))
	return fault.Hint(err, "read them in galley app plan; restore a backup instead, or give --force")
}

// recorded reads what the swarm recorded from any catalogue that has it.
func (a *appCmd) recorded() (*catalogue.Recorded, error) {
	options, err := clientOptions("", filepath.Join(a.dir().Root, "trust"))
	if err != nil {
		return nil, err
	}
	options.Offline = bool(a.Offline)
	return catalogue.OpenRecorded(a.locations(), options), nil
}
