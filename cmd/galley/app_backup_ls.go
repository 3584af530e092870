package main

import (
	"context"
	"strconv"
)

type backupLsCmd struct {
	Domain          string `arg:"" optional:"" help:"Only backups of this app, which need not be here any more (default: all)."`
	repositoryFlags `embed:""`
}

func (backupLsCmd) Help() string {
	return `Examples:
  galley app backup ls
  galley app backup ls cloud.example.org
  galley app backup ls --output json

The newest first. A run that is not complete was interrupted, or is still going on;
nothing is restored from it. No server is asked.

Exit codes: 0 listed. 3 the repository could not be read.`
}

// Run lists the backups.
func (c *backupLsCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	r, err := c.open(ctx, s, apps, false)
	if err != nil {
		return err
	}
	runs, err := r.Runs(ctx, c.Domain)
	if err != nil {
		return err
	}
	if s.json {
		docs := []runDoc{}
		for _, run := range runs {
			docs = append(docs, newRunDoc(run))
		}
		return s.printJSON(map[string]any{"repository": r.Location(), "runs": docs})
	}
	if len(runs) == 0 {
		s.notef("galley: note: there is no backup in %s\n", oneLine(r.Location()))
		return nil
	}
	var rows [][]string
	for _, run := range runs {
		complete, size := "yes", sizeText(run.Bytes)
		if !run.Complete {
			complete, size = "no", "-"
		}
		rows = append(rows, []string{
			run.ID, runTimeText(run), run.Domain, orDash(run.Server), orDash(run.Version), strconv.Itoa(run.Parts), size, complete,
		})
	}
	return s.table([]string{"RUN", "WHEN", "APP", "SERVER", "VERSION", "PARTS", "SIZE", "COMPLETE"}, rows)
}
