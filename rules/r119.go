package rules

import (
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r119 = lint.Rule{
	ID: "R119", Name: "timeout-label",
	Summary:    "the timeout label is a whole number of seconds",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkTimeout,
}

// checkTimeout leaves a number that is too small to S225.
func checkTimeout(p *lint.Pass) {
	for _, l := range stackLabels(p) {
		if l.key == timeoutKey && l.onApp() {
			checkTimeoutLabel(p, l)
		}
	}
}

func checkTimeoutLabel(p *lint.Pass, l stackLabel) {
	value, err := recipe.Expand(l.value, timeoutLookup(p.Recipe))
	if err != nil {
		return // a variable that must be set
	}
	variables := recipe.Variables(l.value)
	seconds, err := strconv.Atoi(strings.Trim(value, "\"'")) // the quotes are S273's
	switch {
	case l.value == "":
		p.Reportf(l.namePlace(), "label %q is empty; expected a number of seconds, such as 120", l.name)
	case value == "" && len(variables) > 0:
		v := variables[0]
		p.Reportf(l.valueSub(v.Start, v.End), "the timeout label depends on %q, which has no default, so an app without it cannot be deployed; expected ${%s:-120}", v.Name, v.Name)
	case err != nil || seconds <= 0:
		p.Reportf(l.valuePlace(), "the timeout label %q gives %q; expected a whole number of seconds, such as 120", shorten(l.value), shorten(value))
	}
}

// timeoutLookup gives what the sample sets; what it has in a comment an app need
// not have.
func timeoutLookup(r *recipe.Recipe) recipe.Lookup {
	return func(name string) (string, bool) {
		if name == stackVariable {
			return name, true
		}
		if r.Sample == nil {
			return "", false
		}
		v, ok := r.Sample.Get(name)
		return v.Value, ok
	}
}
