package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
)

// dryRun says what a build would do and ask.
func (c *catalogueBuildCmd) dryRun(ctx context.Context, s *streams, config catalogue.Config, options catalogue.BuildOptions) error {
	plan, err := catalogue.DryRun(ctx, config, options)
	s.status("")
	if err != nil {
		return err
	}
	err = s.report(plan, c.Report, func() error { s.printPlan(plan); return nil })
	if err == nil && plan.Failed() {
		return answered{fault.No}
	}
	return err
}

func (s *streams) printPlan(p *catalogue.Plan) {
	s.printLists(p.Lists)
	refused := refusals{}
	for _, source := range p.Sources {
		if source.Error != "" {
			s.printf("failed: %s: %s\n", source.Name, oneLine(source.Error))
		}
		if len(source.New) > 0 {
			s.printf("new: %s %s\n", source.Name, fewest(source.New))
		}
		s.printMoved(source.Name, source.Moved)
		for _, w := range source.Removed {
			s.printf("withdrawn: %s %s: %s\n", source.Name, w.Version, oneLine(w.Withdrawal.String()))
		}
		refused.print(s, source.Refused)
	}
	refused.printRest(s)
	s.printf("%d new, %d moved, %d withdrawn, %d refused; nothing was written\n", p.New, p.Moved, p.Removed, p.Refused)
	for _, line := range estimateLines(p.Asks) {
		s.printf("%s\n", line)
	}
}

// fewest is a list for one line: the first ten and how many more.
func fewest(list []string) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// estimateLines say what registries are asked: all of them, each one, and what is
// left for the next time.
func estimateLines(e catalogue.Estimate) []string {
	if e.References == 0 {
		return []string{"no registry has to be asked"}
	}
	lines := []string{"asks for " + estimateLine(e)}
	for _, h := range e.Hosts {
		lines = append(lines, fmt.Sprintf("  %s: %s, %d learned, in %s; %s, %s", h.Host, count(h.References, "reference"), h.Learned,
			repositories(h.Repositories), count(h.Heads, "HEAD"), gets(h.Gets, h.GetsMost)))
		if h.Quota != nil {
			lines = append(lines, "    it said "+quotaLine(h.Quota))
		}
	}
	if e.MaxRequests > 0 && e.Left > 0 {
		lines = append(lines, fmt.Sprintf("of these, at least %s are left for the next build: --max-requests %d", count(int(e.Left), "request"), e.MaxRequests))
	}
	return lines
}

func estimateLine(e catalogue.Estimate) string {
	var hosts []string
	for _, h := range e.Hosts {
		hosts = append(hosts, h.Host)
	}
	return fmt.Sprintf("%s of %s: %s, %s", count(e.References, "image reference"), fewest(hosts), count(e.Heads, "HEAD"), gets(e.Gets, e.GetsMost))
}

func repositories(n int) string {
	if n == 1 {
		return "1 repository"
	}
	return fmt.Sprintf("%d repositories", n)
}

func gets(least, most int) string {
	if most < 0 {
		return fmt.Sprintf("%s at least", count(least, "GET"))
	}
	if most == least {
		return count(least, "GET")
	}
	return fmt.Sprintf("%d to %d GETs", least, most)
}

func quotaLine(q *catalogue.HostQuota) string {
	what := "requests"
	if q.Pulls {
		what = "GETs of manifests"
	}
	left := fmt.Sprint(q.Remaining)
	if q.Limit >= 0 {
		left = fmt.Sprintf("%d of %d", q.Remaining, q.Limit)
	}
	line := fmt.Sprintf("at %s that %s %s are left", q.Heard.Format(time.RFC3339), left, what)
	if q.Reset != nil {
		line += ", until " + q.Reset.Format(time.RFC3339)
	}
	return line
}

// showEstimate is one line on a terminal before a build asks.
func (s *streams) showEstimate(e catalogue.Estimate) {
	s.status("")
	if e.References > 0 {
		s.notef("galley: note: asking for %s\n", estimateLine(e))
	}
}

// showBuild shows how far a build is, on a terminal.
func (s *streams) showBuild(e catalogue.Event) {
	line := strings.TrimSpace(fmt.Sprintf("%s: %d of %d %s", e.Stage, e.Done, e.Total, e.Name))
	if e.Requests > 0 {
		line += fmt.Sprintf("; %s, %.0f/s", count(int(e.Requests), "request"), e.PerSecond)
	}
	if q := e.Quota; q != nil && q.Limit >= 0 {
		line += fmt.Sprintf("; %s leaves %d of %d", q.Host, q.Remaining, q.Limit)
	} else if q != nil {
		line += fmt.Sprintf("; %s leaves %d", q.Host, q.Remaining)
	}
	s.status("%s", line)
}

// mostRefused is how many versions of one kind of refusal are printed.
const mostRefused = 20

// refusals counts what was refused, by kind.
type refusals map[string]int

func (r refusals) print(s *streams, list []catalogue.Refusal) {
	for _, refused := range list {
		if r[refused.Kind]++; r[refused.Kind] <= mostRefused {
			s.printf("refused: %s %s: %s\n", refused.Recipe, refused.Version, oneLine(refused.Reason))
		}
	}
}

func (r refusals) printRest(s *streams) {
	var kinds []string
	for kind, n := range r {
		if n > mostRefused {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		s.printf("refused (%s): … and %d more; --report FILE has all\n", kind, r[kind]-mostRefused)
	}
}
