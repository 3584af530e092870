package rules

import (
	"fmt"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r155 = lint.Rule{
	ID: "R155", Name: "template-secret-unattached",
	Summary:    "a template's secrets and configs are attached to its service",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkTemplateSecrets,
}

// checkTemplateSecrets looks names up as swarm does: by the target that the
// service gives, and not by the key.
func checkTemplateSecrets(p *lint.Pass) {
	if !whole(p.Recipe) {
		return
	}
	for _, t := range templates(p, "secret", "config") {
		services := t.consumers(p.Recipe)
		seen := map[string]bool{}
		for _, c := range t.calls() {
			if c.function == "env" || seen[c.function+c.argument] {
				continue
			}
			for _, service := range services {
				targets := attachedTargets(p.Recipe, service, c.function)
				if slices.Contains(targets, c.argument) {
					continue
				}
				seen[c.function+c.argument] = true
				p.Report(c.at, fmt.Sprintf("the template takes %s %q, which service %q does not have, so its tasks are rejected; expected it among the service's %ss", c.function, c.argument, service, c.function),
					lint.WithRelated(t.object.KeyRange(), fmt.Sprintf("%s %q is made of the template", t.kind, t.key)))
				break
			}
		}
	}
}

// attachedTargets are the targets of a service's secrets or configs, as a
// template names them.
func attachedTargets(r *recipe.Recipe, service, kind string) []string {
	root := ""
	if kind == "config" {
		root = "/"
	}
	var targets []string
	for _, d := range r.Documents() {
		node := d.Lookup("services", service)
		for _, item := range node.Get(kind + "s").Items() {
			target := item.Text()
			if item.IsMap() {
				target = fallback(item.Get("target").Text())
			}
			switch {
			case target == "" && item.IsMap():
				target = root + item.Get("source").Text()
			case !item.IsMap():
				target = root + target
			}
			targets = append(targets, target)
		}
	}
	return targets
}
