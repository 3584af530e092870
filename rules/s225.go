package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/lint"
)

var s225 = lint.Rule{
	ID: "S225", Name: "start-period-timeout",
	Summary:  "a deploy waits longer than a service may take to start",
	Severity: lint.Warning,
	Check:    checkStartPeriodTimeout,
}

// checkStartPeriodTimeout compares each start_period with the timeout label, by
// which clients give a deploy up.
func checkStartPeriodTimeout(p *lint.Pass) {
	if !deployMentions(p.Recipe, ".timeout") {
		return
	}
	v := recipeValues(p.Recipe)
	eachDeployStack(p, "start_period", func(f *deployFinder, s *deployStack) {
		label, timeout, ok := s.timeout(v)
		if !ok {
			return
		}
		for _, service := range s.services() {
			node := service.get("healthcheck", "start_period")
			period, known := deployDuration(node)
			if !known || period < timeout {
				continue
			}
			text, _ := deployText(node)
			f.report(deployPlace(node), fmt.Sprintf("service %q may take a start_period of %s, and the deploy is given up after %s; expected a longer timeout, or a shorter start_period",
				service.name, text, shortDuration(timeout)), lint.WithRelated(label.at(), "the deploy's timeout"))
		}
	})
}

// timeout is the label coop-cloud.<stack>.timeout of any service, in seconds.
func (s *deployStack) timeout(v values) (deployLabel, time.Duration, bool) {
	for _, service := range s.everyService() {
		for _, l := range service.labels() {
			if !strings.HasPrefix(l.name, "coop-cloud.") || !strings.HasSuffix(l.name, ".timeout") {
				continue
			}
			x := v.expand(l.value)
			seconds, err := strconv.Atoi(strings.TrimSpace(x.text))
			if err != nil || seconds <= 0 || x.guessed() {
				return deployLabel{}, 0, false
			}
			return l, time.Duration(seconds) * time.Second, true
		}
	}
	return deployLabel{}, 0, false
}
