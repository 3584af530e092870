package rules

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s233 = lint.Rule{
	ID: "S233", Name: "placement-constraint",
	Summary:  "placement constraints are ones that a swarm reads and a node can meet",
	Severity: lint.Error,
	Check:    checkPlacementConstraint,
}

// constraintKeys are what a constraint can be about, beside labels.
var constraintKeys = []string{"node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch"}

// labelKeys start constraints, and preferences, about labels.
var labelKeys = []string{"node.labels.", "engine.labels."}

var (
	constraintKeyForm   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9\-_.]+$`)
	constraintValueForm = regexp.MustCompile(`^[A-Za-z0-9:\-_\s.*()?+\[\]\\^$|/]+$`)
)

func checkPlacementConstraint(p *lint.Pass) {
	eachDeployService(p, "constraints", func(f *deployFinder, s deployService) {
		for _, n := range s.constraints() {
			text, known := deployText(n)
			if !known {
				continue
			}
			wrong, fix := constraintError(n, text)
			if wrong == "" {
				continue
			}
			f.report(deployPlace(n), fmt.Sprintf("constraint %q of service %q %s", text, s.name, wrong), fix...)
		}
	})
}

// constraintError says what is wrong with a constraint, "" when nothing is.
func constraintError(n recipe.Node, text string) (string, []lint.Option) {
	key, value, equal := strings.Cut(text, "==")
	if !equal {
		var differs bool
		if key, value, differs = strings.Cut(text, "!="); !differs {
			return "has no operator, and a swarm refuses it; expected == or !=", doubleEqual(n, text)
		}
	}
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	lower := strings.ToLower(key)
	switch {
	case !constraintKeyForm.MatchString(key):
		return fmt.Sprintf("has the key %q, which a swarm refuses; expected %s", key, either(constraintKeys)), nil
	case !constraintValueForm.MatchString(value):
		return fmt.Sprintf("has the value %q, which a swarm refuses; expected letters, digits and .:-_", value), nil
	case slices.ContainsFunc(labelKeys, func(start string) bool { return strings.HasPrefix(lower, start) && len(lower) > len(start) }):
		return "", nil
	case !slices.Contains(constraintKeys, lower):
		return fmt.Sprintf("has the key %q, which no node meets; expected %s or node.labels.<name>", key, either(constraintKeys)), nil
	case lower == "node.role" && !slices.Contains([]string{"manager", "worker"}, strings.ToLower(value)):
		return fmt.Sprintf("has the role %q, which no node has; expected manager or worker", value), nil
	case lower == "node.ip" && !nodeAddress(value):
		return fmt.Sprintf("has the address %q, which no node meets; expected one such as 192.0.2.7 or 192.0.2.0/24", value), nil
	}
	return "", nil
}

func nodeAddress(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(text)
	return err == nil
}

// doubleEqual mends "node.role=manager".
func doubleEqual(n recipe.Node, text string) []lint.Option {
	at := strings.IndexByte(text, '=')
	if at <= 0 || strings.Count(text, "=") != 1 || n.Text() != text || !constraintKeyForm.MatchString(strings.TrimSpace(text[:at])) {
		return nil
	}
	r := n.Sub(at, at+1)
	return []lint.Option{lint.WithFix(lint.Fix{Message: "compare with ==", Edits: []lint.Edit{{File: r.File, Start: r.Start, End: r.End, Text: "=="}}})}
}
