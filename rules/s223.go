package rules

import (
	"fmt"
	"time"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s223 = lint.Rule{
	ID: "S223", Name: "short-monitor",
	Summary:  "an update is watched for as long as its health check takes to fail",
	Severity: lint.Warning,
	Check:    checkShortMonitor,
}

// What the engine takes for a health check that does not say.
const (
	defaultInterval = 30 * time.Second
	defaultRetries  = 3
)

// checkShortMonitor looks at monitors that are written down. A task that never
// gets healthy fails the update however long that takes; one that was healthy
// once fails it within monitor only.
func checkShortMonitor(p *lint.Pass) {
	eachDeployService(p, "monitor", func(f *deployFinder, s deployService) {
		node := s.get("deploy", "update_config", "monitor")
		monitor, known := deployDuration(node)
		action, _ := deployText(s.get("deploy", "update_config", "failure_action"))
		if !known || monitor <= 0 || action == "continue" {
			return
		}
		fails, known := s.healthFails()
		if !known || monitor >= fails {
			return
		}
		text, _ := deployText(node)
		at := s.upper(node, s.get("healthcheck", "interval"), s.get("healthcheck", "retries"), s.get("healthcheck"))
		r, said := deployPlace(node), text
		if at != node {
			r, said = place(at), at.Key()
			if value, ok := deployText(at); ok {
				said += ": " + value
			}
			said = fmt.Sprintf("%s, monitor: %s", said, text)
		} else {
			said = "monitor: " + said
		}
		f.report(r, fmt.Sprintf("%s: the health check of service %q takes %s to fail, so a task that turns unhealthy after an update is noticed too late; expected a monitor of at least %s",
			said, s.name, shortDuration(fails), shortDuration(fails)), relatedTo(node, at, "the monitor")...)
	})
}

// relatedTo points at a node that is not where a finding stands.
func relatedTo(n, at recipe.Node, what string) []lint.Option {
	if n == at {
		return nil
	}
	return []lint.Option{lint.WithRelated(place(n), what)}
}

// healthFails is how long a task that was healthy takes to be called unhealthy.
// It is not known without a health check in the file, or where a variable
// decides.
func (s deployService) healthFails() (time.Duration, bool) {
	check := s.get("healthcheck")
	if off, _ := switchedOff(check); off.Exists() || !s.get("healthcheck", "test").Exists() {
		return 0, false
	}
	interval, retries := defaultInterval, defaultRetries
	if n := s.get("healthcheck", "interval"); n.Exists() {
		d, known := deployDuration(n)
		if !known {
			return 0, false
		}
		if d > 0 {
			interval = d
		}
	}
	if n := s.get("healthcheck", "retries"); n.Exists() {
		count, known := deployNumber(n)
		if !known {
			return 0, false
		}
		if count > 0 {
			retries = count
		}
	}
	return interval * time.Duration(retries), retries < 1_000_000 && interval < 1000*time.Hour
}

// shortDuration is a duration as compose files write it: "1m30s", "5m".
func shortDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []struct{ end, cut string }{{"m0s", "0s"}, {"h0m", "0m"}} {
		if len(text) > len(zero.end) && text[len(text)-len(zero.end):] == zero.end {
			text = text[:len(text)-len(zero.cut)]
		}
	}
	return text
}
