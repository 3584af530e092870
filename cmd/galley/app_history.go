package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appHistoryCmd struct {
	oneApp `embed:""`
	Last   int `short:"n" default:"20" help:"How many records, the newest ones." placeholder:"N"`
}

func (appHistoryCmd) Help() string {
	return fmt.Sprintf(`Examples:
  galley app history stats.example.org
  galley app history stats.example.org -n 5 --output json

What was done to an app, by whom and how it ended, the newest last. The records
are on the swarm, the last %d of each stack, and every operator reads the same.
"unverified" marks what nobody vouches for. No catalogue is needed.`, deployer.KeptRecords)
}

// Run shows the history.
func (c *appHistoryCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	if c.Last < 1 {
		return fault.New(fault.Usage, "-n is %d; expected 1 or more", c.Last)
	}
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	records, err := engine.History(ctx, app.Stack)
	if err != nil {
		return err
	}
	records = append([]deployer.Record{}, records[max(0, len(records)-c.Last):]...)
	if s.json {
		return s.printJSON(map[string]any{"domain": app.Domain, "stack": app.Stack, "server": app.Server, "records": records})
	}
	if len(records) == 0 {
		s.printf("%s on %s has no history\n", app.Domain, app.Server)
		return nil
	}
	return s.printHistory(records)
}

func (s *streams) printHistory(records []deployer.Record) error {
	var rows [][]string
	for _, r := range records {
		rows = append(rows, []string{
			strconv.Itoa(r.Number), r.When.Local().Format("2006-01-02 15:04:05"), r.By, string(cmp.Or(r.Operation, deployer.OpDeploy)),
			change(r), verdictOf(r), changesOf(r), r.Duration.Round(100 * time.Millisecond).String(), why(r),
		})
	}
	return s.table([]string{"NO", "WHEN", "BY", "OPERATION", "VERSION", "ENDED", "CHANGES", "TOOK", "WHY"}, rows)
}

// change is what a record says of the version.
func change(r deployer.Record) string {
	switch {
	case r.From == r.To:
		return cmp.Or(r.To, "-")
	case r.Operation == deployer.OpUnlock:
		return "-"
	}
	return cmp.Or(r.From, "(none)") + " → " + cmp.Or(r.To, "(none)")
}

// changesOf is what a record's plan changed: neither what it did not nor what it kept.
func changesOf(r deployer.Record) string {
	var parts []string
	for part := range strings.SplitSeq(r.Plan, ", ") {
		if part != "" && !strings.HasPrefix(part, "0 ") && !strings.HasSuffix(part, " unchanged") {
			parts = append(parts, part)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// verdictOf is the verdict, with the state of the stack where it does not follow.
func verdictOf(r deployer.Record) string {
	if r.Operation == deployer.OpUnlock { // it judges no stack
		return "done"
	}
	text := string(r.Verdict)
	if r.Verdict != deployer.Converged || r.State != deployer.StateNew {
		text = fmt.Sprintf("%s, state %s", r.Verdict, r.State)
	}
	return text
}

// maxWhy is how much of a reason the table shows, in bytes; JSON has it whole.
const maxWhy = 100

// why is the reason of a record, behind the mark of what nobody vouches for.
func why(r deployer.Record) string {
	text := oneLine(r.Reason)
	if len(text) > maxWhy {
		text = fmt.Sprintf("%.*s…", maxWhy, text)
	}
	if len(r.Unverified) > 0 {
		text = strings.TrimSuffix("unverified: "+oneLine(r.Unverified[0])+"; "+text, "; ")
	}
	return cmp.Or(text, "-")
}
