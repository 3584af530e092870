package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

type backupDrillCmd struct {
	Domain          string        `arg:"" help:"The domain that was backed up."`
	RunID           string        `arg:"" name:"run" optional:"" help:"The run, or the beginning of its name (default: the newest that is complete)."`
	Server          string        `short:"s" help:"The server to try it on (default: the one that it was backed up from)." placeholder:"SERVER"`
	Egress          bool          `help:"Let the trial reach other machines, as the app does: some need that to come up, and some send mail."`
	HookTimeout     time.Duration `default:"30m" help:"How long a hook or a probe of the recipe may take." placeholder:"DURATION"`
	repositoryFlags `embed:""`
	restoreFlags    `embed:""`
}

// Help is printed under the command's usage.
func (backupDrillCmd) Help() string {
	return `Examples:
  galley app backup drill cloud.example.org
  galley app backup drill cloud.example.org --server spare --output json

Restores a run into a stack of its own that nobody reaches, and that reaches nobody: no
port is published, no proxy routes to it, its networks are its own and have no way out,
and the engine's socket is not there. It waits until all services are healthy, runs the recipe's probes (the labels galley.backup.probe), and
removes the stack with all that it made, volumes and secrets included. Suits a timer.

Exit codes: 0 the backup is one, 1 the app did not come up from it, 3 could not try,
4 the backup is not what was stored, 6 something of the trial is left.`
}

// drillDocument is the answer in JSON.
type drillDocument struct {
	Domain string        `json:"domain"`
	Run    string        `json:"run"`
	Server string        `json:"server"`
	OK     bool          `json:"ok"`
	Reason string        `json:"reason"` // why it is not, "" when it is
	Probes int           `json:"probes"` // of the recipe that ran
	Bytes  int64         `json:"bytes"`
	Took   time.Duration `json:"took_ns"`
}

// Run tries a backup.
func (c *backupDrillCmd) Run(ctx context.Context, s *streams, signals *signals, apps *appCmd) error {
	began := time.Now()
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
	back := &comeback{apps: apps, streams: s, signals: signals, repository: repository, manifest: manifest, flags: c.restoreFlags, hookTimeout: c.HookTimeout, engine: engine, trial: true}
	if err := back.prepare(ctx, to); err != nil {
		return err
	}
	back.apart = back.wanted.desired.Isolate(c.Egress)
	answer := drillDocument{Domain: c.Domain, Run: manifest.Run, Server: to.Server, Bytes: manifest.Bytes()}
	_, failed := back.carryOut(ctx, false)
	kind := fault.KindOf(failed)
	tried := failed == nil || kind == fault.PutBack || kind == fault.Left // not a disk that is full, or a lock
	if failed == nil {
		answer.Probes, failed = backup.Probe(ctx, engine, back.wanted.desired, c.HookTimeout)
	}
	if err := c.clear(ctx, apps, engine, back.prepared.App); err != nil {
		return errors.Join(failed, err)
	}
	if ctx.Err() != nil {
		return fault.New(fault.Interrupted, "interrupted; nothing of the trial is left")
	}
	if !tried {
		return failed
	}
	answer.OK, answer.Took = failed == nil, time.Since(began)
	if failed != nil {
		answer.Reason = oneLine(failed.Error())
	}
	return s.printDrill(answer)
}

// target is an app that nothing else is.
func (c *backupDrillCmd) target(apps *appCmd, m *backup.Manifest) (backup.Target, error) {
	suffix := make([]byte, 3)
	if _, err := rand.Read(suffix); err != nil {
		return backup.Target{}, err
	}
	to := backup.Target{Dir: apps.dir(), Domain: "drill-" + hex.EncodeToString(suffix) + "." + m.Domain, Server: m.Server}
	if c.Server != "" {
		to.Server = c.Server
	}
	return to, nil
}

// clear removes everything of the trial, whatever ctx says.
func (c *backupDrillCmd) clear(ctx context.Context, apps *appCmd, engine *deployer.Engine, app deployer.App) error {
	ctx = context.WithoutCancel(ctx)
	remains, err := engine.Remains(ctx, app.Stack, apps.otherStacks(app))
	if err == nil && len(remains) > 0 {
		var purged *deployer.Purged
		if _, purged, err = engine.UndeployAndPurge(ctx, app.Stack, apps.otherStacks(app), nil); err == nil && len(purged.Remains) > 0 {
			err = fault.New(fault.Left, "of the trial there is still %s", purged.Remains[0])
		}
	}
	if err != nil {
		return fault.Hint(fault.Wrap(fault.Left, err), "docker stack rm %s, and docker volume ls and docker secret ls, show what is left", app.Stack)
	}
	return nil
}

func (s *streams) printDrill(d drillDocument) error {
	if s.json {
		if err := s.printLine(struct {
			Type string `json:"type"` // "drill"
			drillDocument
		}{"drill", d}); err != nil || d.OK {
			return err
		}
		return answered{fault.No}
	}
	if !d.OK {
		err := fault.New(fault.No, "%s did not come up from run %s: %s", d.Domain, d.Run, d.Reason)
		return fault.Hint(err, "nothing of the trial is left; try another run: galley app backup ls %s", d.Domain)
	}
	probed := "the recipe has no probe, its health checks spoke"
	if d.Probes > 0 {
		probed = count(d.Probes, "probe") + " passed"
	}
	s.printf("%s: run %s came up in %s, %s; nothing of the trial is left\n", d.Domain, d.Run, d.Took.Round(100*time.Millisecond), probed)
	return nil
}
