package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup"
)

type backupCreateCmd struct {
	oneApp          `embed:""`
	repositoryFlags `embed:""`
	backupFlags     `embed:""`
}

// backupFlags say how a backup is made.
type backupFlags struct {
	WithoutSecrets bool          `help:"Leave the secrets' values out. An app that lost its secrets cannot be restored from that backup."`
	Stop           bool          `help:"Stop the services that use the volumes while these are read."`
	HookTimeout    time.Duration `default:"30m" help:"How long a hook of the recipe may take." placeholder:"DURATION"`
}

// Help is printed under the command's usage.
func (backupCreateCmd) Help() string {
	return `Examples:
  galley app backup create cloud.example.org
  galley app backup create cloud.example.org --stop
  galley app backup create cloud.example.org --repository sftp:backup@host:/galley

The recipe's backupbot labels say what is backed up and what runs before and after:
without any, every volume. The env file and the values of the secrets go along, into
the encrypted repository and nowhere else. What is there is one run of several
snapshots; without its last one, the manifest, it is no backup, and nobody restores
from it. A hook that fails, a container that is replaced meanwhile, a stream that
ends early: all of it fails the backup.

Exit codes: 0 there is a backup, 3 there is none and the app is as it was, 6 services
that were stopped do not run again, 130 interrupted.`
}

// Run makes a backup.
func (c *backupCreateCmd) Run(ctx context.Context, s *streams, signals *signals, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	if _, err := standingOf(ctx, engine, app); err != nil {
		return err // before a repository is made for nothing
	}
	repository, err := c.open(ctx, s, apps, true)
	if err != nil {
		return err
	}
	manifest, err := c.create(ctx, s, signals, engine, repository, app, nil)
	if err != nil {
		return err
	}
	if s.json {
		return s.printLine(backupDocument{"backup", manifest})
	}
	s.printf("%s: run %s: %s, %s", app.Domain, manifest.Run, count(len(manifest.Parts), "part"), sizeText(manifest.Bytes()))
	s.printf(" in %s, in %s\n", manifest.Ended.Sub(manifest.Started), oneLine(repository.Location()))
	return nil
}

// backupDocument is the last line of a backup's JSON.
type backupDocument struct {
	Type string `json:"type"` // "backup"
	*backup.Manifest
}

// create makes a backup and says what is not in it. keep, when not nil, gets what was stopped.
func (c *backupFlags) create(ctx context.Context, s *streams, signals *signals, engine *deployer.Engine, repository *backup.Repository, app deployer.App, keep func(*deployer.Hold)) (*backup.Manifest, error) {
	report, done := s.watchBackup()
	manifest, err := backup.Create(ctx, engine, backup.CreateOptions{
		App: app, Repository: repository, WithoutSecrets: c.WithoutSecrets, Stop: c.Stop || keep != nil, Keep: keep,
		HookTimeout: c.HookTimeout, Credentials: credentials, Report: report, Abort: signals.abort,
	})
	done()
	if err != nil {
		return nil, err
	}
	for _, line := range manifest.LeftOut {
		s.notef("galley: note: not backed up: %s\n", oneLine(line))
	}
	for _, p := range manifest.Parts {
		if len(p.Skipped) > 0 {
			s.notef("galley: note: %s %s: %s\n", p.Kind, oneLine(p.Name), oneLine(strings.Join(p.Skipped, ", ")))
		}
	}
	if manifest.Secrets == backup.SecretsLeftOut {
		s.notef("galley: warning: the secrets are not in this backup: without them on the swarm the app cannot be restored from it\n")
	}
	return manifest, nil
}

// progressDocument is a step of a backup or a restore as a JSON line.
type progressDocument struct {
	Type string `json:"type"` // "progress"
	backup.Progress
}

// watchBackup shows a backup or a restore on its way: one line that moves on a terminal, a
// line for each thing that is done elsewhere. done must be called before anything
// else is printed.
func (s *streams) watchBackup() (report func(backup.Progress), done func()) {
	if s.json {
		return func(p backup.Progress) {
			if err := s.printLine(progressDocument{"progress", p}); err != nil && s.lost == nil {
				s.lost = fmt.Errorf("writing the progress: %w", err)
			}
		}, func() {}
	}
	began := time.Now()
	return func(p backup.Progress) {
		text := oneLine(p.Message)
		if p.Message == "" {
			text = p.Part + ", " + rateText(p)
		}
		if p.Message == "" && !p.Done {
			s.status("%-8s  %s", p.Stage, text)
			return
		}
		s.status("")
		s.notef("%6.1fs  %-8s  %s\n", time.Since(began).Seconds(), p.Stage, text)
	}, func() { s.status("") }
}

// rateText is how much went by, and how fast.
func rateText(p backup.Progress) string {
	text := sizeText(p.Bytes)
	if seconds := p.Elapsed.Seconds(); seconds > 0.5 {
		text += fmt.Sprintf(", %s/s", sizeText(int64(float64(p.Bytes)/seconds)))
	}
	return text
}
