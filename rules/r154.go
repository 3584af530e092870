package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r154 = lint.Rule{
	ID: "R154", Name: "template-env-unset",
	Summary:    "what a template takes of the environment is in its service's environment",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkTemplateEnv,
}

// checkTemplateEnv says each variable once for each template. An overlay's
// environment counts: the template may be meant for when it is there.
func checkTemplateEnv(p *lint.Pass) {
	if !whole(p.Recipe) {
		return
	}
	for _, t := range templates(p, "env") {
		services := t.consumers(p.Recipe)
		seen := map[string]bool{}
		for _, c := range t.calls() {
			if c.function != "env" || seen[c.argument] {
				continue
			}
			for _, service := range services {
				if environmentHas(p.Recipe, service, c.argument) {
					continue
				}
				seen[c.argument] = true
				p.Report(c.at, fmt.Sprintf("the template takes %q, which the environment of service %q does not have, so %s; expected it in environment", c.argument, service, without(p.Recipe, service, c.argument)),
					lint.WithRelated(t.object.KeyRange(), fmt.Sprintf("%s %q is made of the template", t.kind, t.key)))
				break
			}
		}
	}
}

// without says what a template gets. Clients that hand all of an app's env file
// to the service app hide that it asks for nothing.
func without(r *recipe.Recipe, service, name string) string {
	if service == "app" && r.Sample != nil && r.Sample.Declared(name) {
		return "it is empty, unless a client hands all of the app's env file to the service"
	}
	return "it is empty"
}

// environmentHas tells whether a service's environment has a variable, by any
// compose file. What an env_file says is not looked at, and may.
func environmentHas(r *recipe.Recipe, service, name string) bool {
	for _, d := range r.Documents() {
		node := d.Lookup("services", service)
		if node.Get("env_file").Exists() {
			return true
		}
		environment := node.Get("environment")
		if environment.Get(name).Exists() && environment.IsMap() {
			return true
		}
		for _, entry := range environment.Items() {
			if key, _, _ := strings.Cut(entry.Text(), "="); key == name {
				return true
			}
		}
	}
	return false
}
