package main

import (
	"context"

	"github.com/galley-coop/galley/deployer/backup"
)

type backupInitCmd struct {
	repositoryFlags `embed:""`
}

func (backupInitCmd) Help() string {
	return `Examples:
  galley app backup init
  galley app backup init --repository sftp:backup@store.example.org:/galley
  GALLEY_BACKUP_REPOSITORY=rest:https://store.example.org/galley galley app backup init

Makes a restic repository; backends and their variables (AWS_ACCESS_KEY_ID, …) are
restic's. Where no password is given, one is made and written to backup-password in
galley's folder: keep a copy of it elsewhere, without it nobody can read the backups.
A repository that is there already is left as it is; galley looks whether the
password opens it. Without --repository app backup create makes one by itself.

Exit codes: 0 the repository is there. 3 it could not be made or opened.`
}

// Run makes the repository.
func (c *backupInitCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	options, err := c.options(s, apps, true)
	if err != nil {
		return err
	}
	r, err := backup.Init(ctx, options)
	s.repositoryNotices(r)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"repository": r.Location(), "made": r.Made, "password_file": r.PasswordFile})
	}
	if r.Made {
		s.printf("made the repository %s\n", oneLine(r.Location()))
		return nil
	}
	s.printf("the repository %s is there already, and the password opens it\n", oneLine(r.Location()))
	return nil
}
