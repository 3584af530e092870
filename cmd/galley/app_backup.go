package main

import (
	"cmp"
	"context"
	"os"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

type appBackupCmd struct {
	Create backupCreateCmd `cmd:"" help:"Back an app up: volumes, env file and secrets."`
	Init   backupInitCmd   `cmd:"" help:"Make the repository that backups are kept in."`
	Ls     backupLsCmd     `cmd:"" help:"List the backups."`
	Verify backupVerifyCmd `cmd:"" help:"Read backups back and compare them with what was stored."`
	Prune  backupPruneCmd  `cmd:"" help:"Remove old backups."`
	Drill  backupDrillCmd  `cmd:"" help:"Try a backup: restore it into a stack that nobody reaches, and remove that."`
}

// repositoryFlags are those of every command that needs the backups.
type repositoryFlags struct {
	Repository   string        `env:"GALLEY_BACKUP_REPOSITORY,RESTIC_REPOSITORY" help:"Where the backups are: a folder, or what restic takes for a location (default: backups in galley's folder)." placeholder:"URL|DIR"`
	PasswordFile string        `env:"GALLEY_BACKUP_PASSWORD_FILE" type:"path" help:"File with the repository's password (default: what restic's variables say, else backup-password in galley's folder)." placeholder:"FILE"`
	Patience     time.Duration `name:"backup-patience" env:"GALLEY_BACKUP_PATIENCE" default:"10m" help:"How long the repository may make no progress." placeholder:"DURATION"`
	LockWait     time.Duration `name:"backup-lock-wait" env:"GALLEY_BACKUP_LOCK_WAIT" default:"5m" help:"How long to wait for somebody else who works in the repository." placeholder:"DURATION"`
}

// options are those of the repository. create makes the default one when it is not
// there.
func (f *repositoryFlags) options(s *streams, apps *appCmd, create bool) (backup.Options, error) {
	if f.Patience <= 0 || f.LockWait < 0 {
		return backup.Options{}, fault.New(fault.Usage, "--backup-patience is %v and --backup-lock-wait %v; expected some time", f.Patience, f.LockWait)
	}
	url := f.Repository
	if file := os.Getenv("RESTIC_REPOSITORY_FILE"); url == "" && file != "" {
		data, err := readLimited(file, 4096)
		if err != nil {
			return backup.Options{}, err
		}
		url = strings.TrimSpace(string(data))
	}
	return backup.Options{
		Dir: apps.dir().Root, URL: home(url), PasswordFile: f.PasswordFile, Create: create,
		Patience: f.Patience, LockWait: cmp.Or(f.LockWait, -1),
		Notify: func(line string) { s.notef("galley: note: %s\n", oneLine(line)) },
	}, nil
}

// open opens the repository.
func (f *repositoryFlags) open(ctx context.Context, s *streams, apps *appCmd, create bool) (*backup.Repository, error) {
	saveMemory()
	options, err := f.options(s, apps, create)
	if err != nil {
		return nil, err
	}
	r, err := backup.OpenRepository(ctx, options)
	s.repositoryNotices(r)
	return r, err
}

// repositoryNotices says what the operator must know of a repository that was made,
// and of its password, also when something failed afterwards.
func (s *streams) repositoryNotices(r *backup.Repository) {
	if r == nil {
		return
	}
	for _, notice := range r.Notices {
		s.notef("galley: warning: %s\n", oneLine(notice))
	}
}

// runDoc is a run in JSON.
type runDoc struct {
	Run      string    `json:"run"`
	Time     time.Time `json:"time"`
	Domain   string    `json:"domain"`
	Server   string    `json:"server"`
	Recipe   string    `json:"recipe"`
	Version  string    `json:"version"`
	Entry    string    `json:"entry"`
	Parts    int       `json:"parts"`
	Bytes    *int64    `json:"bytes"` // null of an incomplete run
	Complete bool      `json:"complete"`
}

func newRunDoc(run backup.Run) runDoc {
	d := runDoc{
		Run: run.ID, Time: run.Time.UTC(), Domain: run.Domain, Server: run.Server,
		Recipe: run.Recipe, Version: run.Version, Entry: run.Entry, Parts: run.Parts, Complete: run.Complete,
	}
	if run.Bytes >= 0 {
		d.Bytes = &run.Bytes
	}
	return d
}

// runTimeText is when a run began, as lists show it.
func runTimeText(run backup.Run) string { return run.Time.Local().Format("2006-01-02 15:04") }
