package main

import (
	"context"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

type appRestoreCmd struct {
	Domain          string `arg:"" help:"The domain that was backed up."`
	RunID           string `arg:"" name:"run" optional:"" help:"The run, or the beginning of its name (default: the newest that is complete)."`
	Server          string `short:"s" help:"The server to restore to (default: the app's, else the one that it was backed up from)." placeholder:"SERVER"`
	To              string `help:"Restore into a new app of this domain." placeholder:"DOMAIN"`
	KeepEnv         bool   `help:"Keep the env file that stands instead of the backup's."`
	chaosFlag       `embed:""`
	Undo            bool          `help:"Go back to what the volumes held before a restore that did not end."`
	Yes             bool          `short:"y" help:"Go on without asking."`
	HookTimeout     time.Duration `default:"30m" help:"How long a hook of the recipe may take." placeholder:"DURATION"`
	repositoryFlags `embed:""`
	restoreFlags    `embed:""`
}

// Help is printed under the command's usage.
func (appRestoreCmd) Help() string {
	return `Examples:
  galley app restore cloud.example.org
  galley app restore cloud.example.org 20261130T0159 --yes
  galley app restore cloud.example.org --to cloud2.example.org
  galley app restore cloud.example.org --undo

The app becomes what it was when the run was made: volumes, env file, secrets and
version. Services are stopped, what the volumes hold is copied first, then they are
written, the recorded version is deployed, watched and verified, and the recipe's
restore hooks run. When anything fails the volumes get back what they held, and what
ran runs again. The copies stay, also after a restore that went well: galley app
volume ls lists them, and galley app volume drop-kept removes them.

An env file that is replaced stays beside the new one as <domain>.env.before-<run>. A
secret whose name is taken by another value gets its next version.

Exit codes: 0 restored, converged and verified, 3 could not and changed nothing,
4 the backup is not what was stored, 5 failed and everything is as it was, 6 failed
and it is not, 130 interrupted before anything was changed.`
}

// Run restores.
func (c *appRestoreCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	if c.Undo {
		return c.undo(ctx, s, signals, grammar, apps)
	}
	repository, err := c.open(ctx, s, apps, false)
	if err != nil {
		return err
	}
	manifest, err := manifestOf(ctx, repository, c.Domain, c.RunID)
	if err != nil {
		return err
	}
	to, err := c.target(apps, manifest)
	if err != nil {
		return err
	}
	engine, err := apps.connect(ctx, s, to.Server)
	if err != nil {
		return err
	}
	defer engine.Close()
	back := &comeback{apps: apps, streams: s, signals: signals, repository: repository, manifest: manifest, flags: c.restoreFlags, hookTimeout: c.HookTimeout, engine: engine, chaos: c.Chaos}
	if err := back.prepare(ctx, to); err != nil {
		return err
	}
	if !s.json {
		back.show()
	}
	if !c.Yes {
		if err := s.confirm(ctx, "Restore this?", "--yes", grammar.NoInput); err != nil {
			return err
		}
	}
	restored, err := back.carryOut(ctx, true)
	if err != nil {
		return err
	}
	return s.printRestored(back.prepared.App, restored)
}

// manifestOf finds a run and reads what it consists of.
func manifestOf(ctx context.Context, repository *backup.Repository, domain, which string) (*backup.Manifest, error) {
	run, err := repository.FindRun(ctx, domain, which)
	if err != nil {
		return nil, err
	}
	return repository.LoadManifest(ctx, &run)
}

// target is the app to restore into: the one that stands, or a new one.
func (c *appRestoreCmd) target(apps *appCmd, m *backup.Manifest) (backup.Target, error) {
	to := backup.Target{Dir: apps.dir(), Domain: m.Domain, Server: m.Server}
	if c.To != "" && c.To != m.Domain {
		to.Domain = c.To
	}
	app, err := apps.dir().Find(to.Domain, c.Server)
	stands := err == nil
	switch {
	case stands && to.Domain != m.Domain:
		err := fault.New(fault.Usage, "app %q exists already: %s", to.Domain, app.Path)
		return to, fault.Hint(err, "take another domain, or undeploy it and remove its env file first")
	case stands:
		to.Server = app.Server
	case c.Server != "":
		to.Server = c.Server
	}
	if c.KeepEnv {
		if !stands {
			return to, err
		}
		to.Env = app.Env.Bytes()
	}
	return to, nil
}

// restoredDocument is the last line of a restore's JSON.
type restoredDocument struct {
	Type   string `json:"type"` // "restored"
	Domain string `json:"domain"`
	Server string `json:"server"`
	*backup.Restored
}

func (s *streams) printRestored(app deployer.App, r *backup.Restored) error {
	if s.json {
		return s.printLine(restoredDocument{"restored", app.Domain, app.Server, r})
	}
	for _, k := range r.Kept {
		s.notef("galley: note: what volume %s held before is kept in %s\n", oneLine(k.Volume), oneLine(k.Name))
	}
	s.printf("%s: restored from run %s, %s; %s\n", app.Domain, r.Run, count(len(r.Volumes), "volume"), verified(r.Outcome))
	return nil
}

// undo brings back what the volumes held before a restore that did not end.
func (c *appRestoreCmd) undo(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, oneApp{Domain: c.Domain, Server: c.Server})
	if err != nil {
		return err
	}
	defer engine.Close()
	state, err := engine.Restoring(ctx, app.Stack)
	if err != nil {
		return err
	}
	if state == nil {
		err := fault.New(fault.Unavailable, "no restore of %s was left unfinished", c.Domain)
		return fault.Hint(err, "galley app restore brings an earlier run back")
	}
	if !s.json {
		s.printf("a restore of run %s by %s since %s did not end\n", state.Run, oneLine(state.By), state.Since.Local().Format("2006-01-02 15:04"))
		for _, k := range state.Kept {
			s.printf("  volume   %s gets back what %s holds\n", oneLine(k.Volume), oneLine(k.Name))
		}
		for _, name := range state.Made {
			s.printf("  volume   %s goes: it was not there\n", oneLine(name))
		}
		for _, name := range state.Secrets {
			s.printf("  secret   %s goes: it was not there\n", oneLine(name))
		}
		if state.Env != "" {
			s.printf("  env      gets back what %s holds\n", oneLine(state.Env))
		}
	}
	if !c.Yes {
		if err := s.confirm(ctx, "Go back?", "--yes", grammar.NoInput); err != nil {
			return err
		}
	}
	report, done := s.watchBackup()
	err = backup.GoBack(ctx, engine, app, deployer.HoldOptions{
		Reason: "the undoing of a restore", Takeover: true, Credentials: credentials, Abort: signals.abort,
		Limits: deployer.Limits{Converge: c.Timeout, Pull: c.PullTimeout}, Report: deployLines(report),
	})
	done()
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"undone": state})
	}
	s.printf("%s: everything is as it was before the restore of run %s\n", app.Domain, state.Run)
	return nil
}
