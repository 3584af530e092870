package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var s210 = lint.Rule{
	ID: "S210", Name: "labels-outside-deploy",
	Summary:  "labels for traefik, clients and backups stand in deploy.labels",
	Severity: lint.Warning,
	Check:    checkLabelsOutsideDeploy,
}

// serviceLabels are the starts of labels that are read of services, and who
// reads them.
var serviceLabels = []struct{ prefix, reader string }{
	{"traefik.", "traefik's swarm provider"},
	{"coop-cloud.", "the client"},
	{"backupbot.", "the backup"},
}

func checkLabelsOutsideDeploy(p *lint.Pass) {
	if !deployMentions(p.Recipe, "labels") || !forSwarm(p) {
		return
	}
	silent := routingMissing(p)
	eachDeployService(p, "labels", func(f *deployFinder, s deployService) {
		placed := map[string]bool{}
		for _, l := range s.labels() {
			placed[l.name] = true
		}
		for _, list := range s.all("labels") {
			var wrong []deployLabel
			reader := ""
			for _, l := range readDeployLabels(list) {
				by := labelReader(l.name)
				if by == "" || placed[l.name] || silent && strings.HasPrefix(l.name, "traefik.") {
					continue
				}
				if wrong = append(wrong, l); reader == "" {
					reader = by
				}
			}
			if len(wrong) == 0 {
				continue
			}
			f.report(wrong[0].namePlace(0, len(wrong[0].name)), fmt.Sprintf("label %q%s of service %q goes to its containers, where %s does not look; expected it in deploy.labels",
				wrong[0].name, andMore(len(wrong)-1), s.name, reader))
		}
	})
}

func labelReader(name string) string {
	for _, known := range serviceLabels {
		if strings.HasPrefix(name, known.prefix) {
			return known.reader
		}
	}
	return ""
}

func andMore(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return " and one more"
	}
	return fmt.Sprintf(" and %d more", n)
}

// routingMissing tells whether R010 says already that a recipe's traefik labels
// are in the wrong place, or nowhere.
func routingMissing(p *lint.Pass) bool {
	if p.Recipe.Sample == nil {
		return false
	}
	if _, ok := p.Recipe.Sample.Get("DOMAIN"); !ok {
		return false
	}
	for _, service := range p.Services() {
		if traefikLabel(service.Node.Get("deploy", "labels")).Node.Exists() {
			return false
		}
	}
	return true
}
