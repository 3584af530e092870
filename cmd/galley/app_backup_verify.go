package main

import (
	"context"

	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

type backupVerifyCmd struct {
	Domain          string `arg:"" optional:"" help:"The app's domain (default: every app that has backups)."`
	RunID           string `arg:"" name:"run" optional:"" help:"The run, or the beginning of its ID (default: the newest complete one)."`
	All             bool   `help:"Every complete run, not only the newest."`
	repositoryFlags `embed:""`
}

func (backupVerifyCmd) Help() string {
	return `Examples:
  galley app backup verify
  galley app backup verify cloud.example.org
  galley app backup verify cloud.example.org 20260131T0200
  galley app backup verify --all --output json

Reads every part back from the repository and compares its length and digest with
what was stored; archives are read to their end. Then restic checks the repository's
structure. It reads as much as the backups hold.

Exit codes: 0 all read back as it was written. 1 something did not, or the run is not
complete. 3 the repository
could not be read.`
}

// Run reads backups back.
func (c *backupVerifyCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	if c.All && c.RunID != "" {
		return fault.New(fault.Usage, "--all is every run, and %q is one", c.RunID)
	}
	r, err := c.open(ctx, s, apps, false)
	if err != nil {
		return err
	}
	runs, err := c.choose(ctx, r)
	if err != nil {
		return err
	}
	checked, err := r.Verify(ctx, runs, s.verifyStep)
	s.status("")
	if err != nil {
		return err
	}
	if s.json {
		if err := s.printJSON(checked); err != nil {
			return err
		}
	} else {
		s.printChecked(checked)
	}
	if !checked.OK {
		return answered{fault.No}
	}
	return nil
}

func (c *backupVerifyCmd) choose(ctx context.Context, r *backup.Repository) ([]backup.Run, error) {
	if c.Domain != "" && !c.All {
		run, err := r.FindRun(ctx, c.Domain, c.RunID)
		return []backup.Run{run}, err
	}
	all, err := r.Runs(ctx, c.Domain)
	if err != nil {
		return nil, err
	}
	var chosen []backup.Run
	seen := map[[2]string]bool{}
	for _, run := range all {
		if app := [2]string{run.Domain, run.Server}; run.Complete && (c.All || !seen[app]) {
			seen[app] = true
			chosen = append(chosen, run)
		}
	}
	if len(chosen) == 0 {
		err := fault.New(fault.Unavailable, "there is no complete backup in %s", r.Location())
		return nil, fault.Hint(err, "galley app backup create DOMAIN makes one")
	}
	return chosen, nil
}

// verifyStep shows what is read, on a terminal.
func (s *streams) verifyStep(step backup.VerifyStep) {
	switch {
	case step.Part == nil:
		s.status("checking the repository")
	case step.Check == nil:
		s.status("reading %s %s of %s, run %s (%s)", step.Part.Kind, step.Part.Name, step.Run.Domain, step.Run.ID, sizeText(step.Part.Bytes))
	}
}

func (s *streams) printChecked(checked backup.Checked) {
	damaged := checked.Structure != ""
	for _, run := range checked.Runs {
		if run.Problem != "" {
			s.printf("%s %s: %s\n", run.Domain, run.Run, oneLine(run.Problem))
			continue
		}
		var sum int64
		bad := 0
		for _, p := range run.Parts {
			if sum += p.Bytes; !p.OK {
				bad++
				s.printf("%s %s: %s\n", run.Domain, run.Run, oneLine(p.Problem))
			}
		}
		if bad > 0 {
			damaged = true
			s.printf("%s %s: %d of %s did not read back as it was stored\n", run.Domain, run.Run, bad, count(len(run.Parts), "part"))
			continue
		}
		s.printf("%s %s: %s, %s, all as it was stored\n", run.Domain, run.Run, count(len(run.Parts), "part"), sizeText(sum))
	}
	if checked.Structure != "" {
		s.printf("the repository: %s\n", oneLine(checked.Structure))
	}
	if damaged {
		s.notef("galley: hint: keep the repository as it is, and take another backup elsewhere; restic check --read-data tells which files are damaged\n")
	}
}
