package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer/backup"
	"github.com/galley-coop/galley/internal/fault"
)

type backupPruneCmd struct {
	Domain          string `arg:"" optional:"" help:"Only backups of this app (default: of every app)."`
	KeepLast        int    `default:"7" help:"Keep the newest N of each app." placeholder:"N"`
	KeepDaily       int    `default:"14" help:"Keep the newest of each of the last N days that have one." placeholder:"N"`
	KeepWeekly      int    `default:"8" help:"Keep the newest of each of the last N weeks that have one." placeholder:"N"`
	KeepMonthly     int    `default:"12" help:"Keep the newest of each of the last N months that have one." placeholder:"N"`
	DryRun          bool   `help:"Say what would go, and remove nothing."`
	Yes             bool   `short:"y" help:"Remove without asking."`
	repositoryFlags `embed:""`
}

func (backupPruneCmd) Help() string {
	return `Examples:
  galley app backup prune --dry-run
  galley app backup prune --yes
  galley app backup prune cloud.example.org --keep-last 3 --keep-monthly 6 --yes

Counts complete runs, each app's (on each server) for itself; days are those of UTC. A
run goes as a whole. The newest complete run of an app is never removed. What is
incomplete goes when it is older than a day. Then restic removes the data that no
backup uses any more.

Exit codes: 0 done. 2 there was nobody to ask, and no --yes. 3 the repository could
not be read or written; what was removed before stays removed.`
}

// decisionDoc is a run in the answer.
type decisionDoc struct {
	runDoc
	Reasons []string `json:"reasons"`
}

// Run removes what the policy does not keep.
func (c *backupPruneCmd) Run(ctx context.Context, s *streams, grammar *cli, apps *appCmd) error {
	policy := backup.Policy{Last: c.KeepLast, Daily: c.KeepDaily, Weekly: c.KeepWeekly, Monthly: c.KeepMonthly}
	if min(policy.Last, policy.Daily, policy.Weekly, policy.Monthly) < 0 {
		return fault.New(fault.Usage, "a number to keep is below 0")
	}
	r, err := c.open(ctx, s, apps, false)
	if err != nil {
		return err
	}
	decided, err := r.PlanPrune(ctx, c.Domain, policy, time.Now())
	if err != nil {
		return err
	}
	goes := backup.Removed(decided)
	if !s.json {
		if err := s.printRemovals(goes); err != nil {
			return err
		}
	}
	if !c.DryRun {
		if len(goes) > 0 && !c.Yes {
			question := fmt.Sprintf("Remove %s from %s for good?", count(len(goes), "backup"), r.Location())
			if err := s.confirm(ctx, question, "--yes", grammar.NoInput); err != nil {
				return err
			}
		}
		s.status("removing what is not kept, and data that nobody uses")
		err := r.Prune(ctx, decided)
		s.status("")
		if err != nil {
			return err
		}
	}
	return c.answer(s, r, policy, decided)
}

func (c *backupPruneCmd) answer(s *streams, r *backup.Repository, policy backup.Policy, decided []backup.Decision) error {
	kept, removed := []decisionDoc{}, []decisionDoc{}
	for _, d := range decided {
		doc := decisionDoc{newRunDoc(d.Run), d.Reasons}
		if d.Keep {
			kept = append(kept, doc)
		} else {
			removed = append(removed, doc)
		}
	}
	if s.json {
		return s.printJSON(map[string]any{
			"repository": r.Location(), "dry_run": c.DryRun, "policy": policy, "kept": kept, "removed": removed,
		})
	}
	verb := "removed"
	if c.DryRun {
		verb = "would remove"
	}
	s.printf("%s %s, %s left\n", verb, count(len(removed), "backup"), count(len(kept), "backup"))
	return nil
}

// printRemovals lists what goes.
func (s *streams) printRemovals(goes []backup.Decision) error {
	if len(goes) == 0 {
		return nil
	}
	var rows [][]string
	for _, d := range goes {
		rows = append(rows, []string{d.Run.ID, runTimeText(d.Run), d.Run.Domain, orDash(d.Run.Server), strings.Join(d.Reasons, ", ")})
	}
	return s.table([]string{"GOES", "WHEN", "APP", "SERVER", "WHY"}, rows)
}
