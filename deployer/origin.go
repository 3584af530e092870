package deployer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// OriginClient is the Field.Origin of what another client of recipes left.
const OriginClient = "client"

// markOrigins marks the fields that differ because another client deployed the
// stack, and not because the recipe changed: the env file's variables that it put
// into a service, its labels, and those that galley adds beside them. A stack that
// galley deployed last has none.
func markOrigins(changes []Change, desired *Desired, current *Stack) {
	for _, service := range current.Services {
		if service.Spec.Labels[LabelEntry] != "" || service.Spec.Labels[LabelUnverified] != "" { // ours: a work tree has no entry
			return
		}
	}
	for _, change := range changes {
		if change.Kind != "service" || change.Action != Update {
			continue
		}
		have, want := environmentOf(current.Services[change.Name]), environmentOf(desired.Stack.Services[change.Name])
		maps.DeleteFunc(have, func(name, _ string) bool { _, asked := want[name]; return asked })
		for i := range change.Fields {
			if f := &change.Fields[i]; f.isLabelOfClient(current.Name) || f.isVariableOfClient(have, desired.env) {
				f.Origin = OriginClient
			}
		}
	}
}

func environmentOf(s Service) map[string]string {
	env := map[string]string{}
	if c := s.Spec.TaskTemplate.ContainerSpec; c != nil {
		for _, variable := range c.Env {
			name, value, _ := strings.Cut(variable, "=")
			env[name] = value
		}
	}
	return env
}

const (
	envPath       = "TaskTemplate.ContainerSpec.Env["
	labelPath     = "Labels["
	taskLabelPath = "TaskTemplate.ContainerSpec.Labels["
)

// isLabelOfClient tells the labels that clients write at a deploy. One of a
// recipe's version that changes is a change of the recipe.
func (f *Field) isLabelOfClient(stack string) bool {
	name, ok := strings.CutPrefix(f.Path, labelPath)
	if !ok {
		name, ok = strings.CutPrefix(f.Path, taskLabelPath)
	}
	if !ok {
		return false
	}
	name = strings.TrimSuffix(name, "]")
	cameOrWent := f.Old == "" || f.New == ""
	of := func(what string) string { return clientLabel(stack, what) }
	switch {
	case strings.HasPrefix(name, "galley."), name == LabelImage, name == NamespaceLabel:
		return cameOrWent
	case name == of("chaos"), name == of("chaos-version"), name == of("timeout"):
		return true
	}
	return cameOrWent && strings.HasPrefix(name, of(""))
}

// isVariableOfClient tells a variable among those of a service that the recipe does
// not ask for: it has the value that the app's environment gives it. The one that
// names the recipe has the version behind it that ran before.
func (f *Field) isVariableOfClient(have, given map[string]string) bool {
	name, ok := strings.CutPrefix(f.Path, envPath)
	if !ok {
		return false
	}
	name = strings.TrimSuffix(name, "]")
	value, known := given[name]
	if _, unasked := have[name]; !unasked {
		return false
	}
	if slices.Contains([]string{"TYPE", "RECIPE"}, name) {
		value, _, _ = strings.Cut(value, ":")
		had, _, _ := strings.Cut(have[name], ":")
		return known && had == value
	}
	return known && have[name] == value
}

// byOrigin parts a change's fields into the recipe's and what another client left.
func byOrigin(fields []Field) (recipe, client []Field) {
	for _, f := range fields {
		if f.Origin == OriginClient {
			client = append(client, f)
			continue
		}
		recipe = append(recipe, f)
	}
	return recipe, client
}

// leftByClient is one line in place of many fields.
func leftByClient(fields []Field) string {
	variables := 0
	for _, f := range fields {
		if strings.HasPrefix(f.Path, envPath) {
			variables++
		}
	}
	var parts []string
	for _, p := range []struct {
		n    int
		noun string
	}{{variables, "variable"}, {len(fields) - variables, "label"}} {
		switch p.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+p.noun)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", p.n, p.noun))
		}
	}
	return "left by another client: " + strings.Join(parts, ", ") + " (plan --all shows them)"
}
