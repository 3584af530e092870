package backup

import (
	"fmt"
	"slices"
	"time"
)

// Policy says which complete runs of an app are kept: the newest Last, and the newest
// of each of the last Daily days, Weekly weeks and Monthly months that have one. Days
// are those of UTC, weeks those of ISO 8601.
type Policy struct {
	Last    int `json:"last"`
	Daily   int `json:"daily"`
	Weekly  int `json:"weekly"`
	Monthly int `json:"monthly"`
}

// DefaultPolicy is what is kept when nothing is said.
var DefaultPolicy = Policy{Last: 7, Daily: 14, Weekly: 8, Monthly: 12}

// incompleteAge is how old an incomplete run is before it is taken for one that
// nobody works at any more.
const incompleteAge = 24 * time.Hour

// Decision is what becomes of a run, and why.
type Decision struct {
	Run     Run
	Keep    bool
	Reasons []string // "last", "daily", … of what is kept; why it goes of what is not
}

// Decide says what becomes of each run, in their order. Runs of a domain on another
// server are another app's.
func (p Policy) Decide(runs []Run, now time.Time) []Decision {
	decided := make([]Decision, len(runs))
	apps := map[[2]string][]*Decision{}
	for i, run := range runs {
		decided[i].Run = run
		if !run.Complete {
			decided[i].incomplete(now)
			continue
		}
		app := [2]string{run.Domain, run.Server}
		apps[app] = append(apps[app], &decided[i])
	}
	for _, complete := range apps {
		slices.SortStableFunc(complete, func(a, b *Decision) int { return b.Run.Time.Compare(a.Run.Time) })
		p.keep(complete)
	}
	return decided
}

func (d *Decision) incomplete(now time.Time) {
	newest := d.Run.Time
	for _, s := range d.Run.Snapshots {
		if s.Time.After(newest) {
			newest = s.Time
		}
	}
	d.Keep, d.Reasons = true, []string{"incomplete, may still go on"}
	if now.Sub(newest) > incompleteAge {
		d.Keep, d.Reasons = false, []string{fmt.Sprintf("incomplete for more than %d hours", int(incompleteAge.Hours()))}
	}
}

// keep decides about the complete runs of one app, the newest first. The newest one
// always stays.
func (p Policy) keep(runs []*Decision) {
	rules := []struct {
		name string
		left int
		of   func(time.Time) string // runs of one period; "" for each of its own
		seen map[string]bool
	}{
		{"last", p.Last, nil, nil},
		{"daily", p.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }, map[string]bool{}},
		{"weekly", p.Weekly, week, map[string]bool{}},
		{"monthly", p.Monthly, func(t time.Time) string { return t.Format("2006-01") }, map[string]bool{}},
	}
	for i, d := range runs {
		if i == 0 {
			d.Reasons = append(d.Reasons, "newest")
		}
		for j := range rules {
			rule := &rules[j]
			if rule.left <= 0 {
				continue
			}
			if rule.of != nil {
				period := rule.of(d.Run.Time.UTC())
				if rule.seen[period] {
					continue
				}
				rule.seen[period] = true
			}
			rule.left--
			d.Reasons = append(d.Reasons, rule.name)
		}
		if d.Keep = len(d.Reasons) > 0; !d.Keep {
			d.Reasons = []string{"not kept by the policy"}
		}
	}
}

func week(t time.Time) string {
	year, number := t.ISOWeek()
	return fmt.Sprintf("%d-%02d", year, number)
}
