package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

// beforeFlags say whether a backup comes before a change.
type beforeFlags struct {
	Backup *bool `negatable:"" help:"Back the app up first, and change nothing when that fails (default: when the recipe asks for it, by the label galley.backup.before)."`
}

// wants tells whether there is to be a backup before a plan is carried out.
func (f beforeFlags) wants(w *wanted, plan *deployer.Plan) bool {
	if plan.From == "" || plan.Empty() {
		return false // there is nothing to lose, or nothing that loses it
	}
	if f.Backup != nil {
		return *f.Backup
	}
	upgrade := plan.From != plan.To
	return backup.Wanted(w.desired.Stack, upgrade) || w.standing != nil && backup.Wanted(w.standing, upgrade)
}

// backUp makes the backup before a change. Where it is kept the environment says, as for
// galley app backup create.
func (f beforeFlags) backUp(ctx context.Context, s *streams, apps *appCmd, engine *deployer.Engine, w *wanted, plan *deployer.Plan, abort context.Context) error {
	if !f.wants(w, plan) {
		return nil
	}
	flags, err := repositoryFromEnvironment()
	if err != nil {
		return err
	}
	repository, err := flags.open(ctx, s, apps, true)
	if err != nil {
		return notBackedUp(err)
	}
	how := backupFlags{HookTimeout: backup.DefaultHookTimeout}
	manifest, err := how.create(ctx, s, &signals{abort: abort}, engine, repository, w.app, nil)
	if err != nil {
		return notBackedUp(err)
	}
	s.notef("galley: note: backed up first: run %s\n", manifest.Run)
	return nil
}

func notBackedUp(err error) error {
	err = fmt.Errorf("the backup before it failed, and nothing else was done: %w", err)
	return fault.Hint(err, "--no-backup goes on without one")
}

// repositoryFromEnvironment are the repository's flags as kong reads them where there is no
// command line.
func repositoryFromEnvironment() (repositoryFlags, error) {
	f := repositoryFlags{PasswordFile: os.Getenv("GALLEY_BACKUP_PASSWORD_FILE"), Patience: 10 * time.Minute, LockWait: 5 * time.Minute}
	for _, name := range []string{"RESTIC_REPOSITORY", "GALLEY_BACKUP_REPOSITORY"} {
		if url := os.Getenv(name); url != "" {
			f.Repository = url
		}
	}
	for name, into := range map[string]*time.Duration{"GALLEY_BACKUP_PATIENCE": &f.Patience, "GALLEY_BACKUP_LOCK_WAIT": &f.LockWait} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return f, fault.New(fault.Usage, "%s is %q; expected a time like 10m", name, text)
		}
		*into = d
	}
	return f, nil
}
