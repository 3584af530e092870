package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r002 = lint.Rule{
	ID: "R002", Name: "healthcheck-enabled",
	Summary:  "every service has a healthcheck that is not switched off",
	Severity: lint.Warning,
	Check:    checkHealthcheck,
}

func checkHealthcheck(p *lint.Pass) {
	for _, service := range p.Services() {
		if !service.Node.IsMap() || service.Node.Get("extends").Exists() {
			continue
		}
		own := service.Node.Get("healthcheck")
		if off, how := switchedOff(own); off.Exists() {
			p.Report(place(off), fmt.Sprintf("%s switches the healthcheck of service %q off; expected one that is on", how, service.Name), baseHealthcheck(p, service)...)
			continue
		}
		if own.Len() > 0 || own.Text() != "" || service.Overlay && definedElsewhere(p, service) {
			continue // a list or a text is the schema's finding
		}
		if own.Exists() {
			p.Reportf(place(own), "the healthcheck of service %q is empty; expected a test", service.Name)
			continue
		}
		p.Reportf(service.Node.KeyRange(), "service %q has no healthcheck; expected one with a test", service.Name)
	}
}

// switchedOff finds what disables a healthcheck, absent when nothing does, and
// how it is written.
func switchedOff(check recipe.Node) (off recipe.Node, how string) {
	if disable := check.Get("disable"); disable.IsScalar() {
		switch strings.ToLower(fallback(disable.Text())) {
		case "true", "yes", "on", "1":
			return disable, "disable: " + disable.Text()
		}
	}
	test := check.Get("test")
	if test.IsList() {
		if first := test.Get("0"); first.Text() == "NONE" {
			return first, `test: ["NONE"]`
		}
	}
	if test.Text() == "NONE" {
		return test, "test: NONE"
	}
	return recipe.Node{}, ""
}

// fallback is a value with each variable replaced by its default.
func fallback(text string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	return values{}.expand(text).text
}

// definedElsewhere tells whether an overlay's service is a patch of one that
// stands in the base file or in another overlay, where it is judged itself.
func definedElsewhere(p *lint.Pass, service lint.Service) bool {
	if baseService(p.Recipe, service.Name).Exists() {
		return true
	}
	if service.Node.Get("image").Exists() {
		return false
	}
	for _, d := range p.Recipe.Overlays {
		if d != service.Document && d.Lookup("services", service.Name, "image").Exists() {
			return true
		}
	}
	return false
}

// baseHealthcheck points at the healthcheck that an overlay switches off.
func baseHealthcheck(p *lint.Pass, service lint.Service) []lint.Option {
	if !service.Overlay {
		return nil
	}
	check := baseService(p.Recipe, service.Name).Get("healthcheck")
	if !check.Exists() {
		return nil
	}
	return []lint.Option{lint.WithRelated(check.KeyRange(), "the base file's healthcheck")}
}
