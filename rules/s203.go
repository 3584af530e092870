package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/schemas"
)

var s203 = lint.Rule{
	ID: "S203", Name: "stack-schema",
	Summary:  "compose files hold what a swarm takes, and nothing that it drops",
	Severity: lint.Warning,
	Check:    checkStackSchema,
}

// stackSchema is the name of the schema of what docker stack deploy takes.
const stackSchema = "stack"

// checkStackSchema says nothing of what S202 has found: a key that compose does
// not know is not swarm's trouble. Keys that are dropped and unsafe besides are
// left to the rules that say both.
func checkStackSchema(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		known, err := composeIssuesOf(p, d)
		if err != nil {
			p.Skip(err.Error())
			return
		}
		issues, err := stackIssues(d, plainData(p, d))
		if err != nil {
			p.Skip(err.Error())
			return
		}
		for _, i := range issues {
			if !slices.ContainsFunc(known, i.hides) {
				p.Report(i.at, i.message())
			}
		}
	}
}

func stackIssues(d *recipe.Document, data any) ([]issue, error) {
	if !d.Root().IsMap() {
		return nil, nil
	}
	violations, err := schemas.ValidateValue(stackSchema, data)
	if err != nil {
		return nil, err
	}
	var found []issue
	for _, v := range violations[:min(len(violations), maxIssues)] {
		if i, ok := stackIssue(d, v); ok {
			found = append(found, i)
		}
	}
	return settle(d, found), nil
}

// stackIssue puts a violation into words. It is none when the value is only
// known once its variables are: docker stack deploy converts those.
func stackIssue(d *recipe.Document, v schemas.Violation) (issue, bool) {
	path := v.Path()
	i := issue{path: path}
	n := i.node(d)
	if reset(n) {
		return issue{}, false
	}
	switch v.Kind {
	case "additional_property_not_allowed":
		if spokenOf(path, n) {
			return issue{}, false
		}
		i.key, i.text = true, notForSwarm(path)
		return i, true
	case "required":
		i.text = fmt.Sprintf("docker stack deploy wants %q here", v.Expected)
		return i, true
	}
	if variable(n) {
		return issue{}, false
	}
	switch v.Kind {
	case "invalid_type":
		i.text = fmt.Sprintf("docker stack deploy expects %s, got %s", expectedKinds(strings.Split(v.Expected, ", ")), gotValue(n))
	case "enum":
		i.text = fmt.Sprintf("docker stack deploy expects %s, got %s", either(strings.Split(v.Expected, ", ")), gotValue(n))
	case "pattern":
		if last(path) == "version" {
			i.text = fmt.Sprintf("docker stack deploy expects \"3\" to \"3.13\", got %s", gotValue(n))
			break
		}
		i.text = fmt.Sprintf("docker stack deploy expects a duration such as 1m30s, got %s", gotValue(n))
	default:
		i.text = fmt.Sprintf("docker stack deploy refuses %s: %s", gotValue(n), v.Message)
	}
	return i, true
}

// dropped are keys of a service that docker stack deploy reads and drops, with a
// word of what to do instead. Other keys that it does not take it refuses.
var dropped = map[string]string{
	"build":          "swarm only runs images that a registry has",
	"cgroup_parent":  "",
	"cgroupns_mode":  "",
	"container_name": "swarm names containers itself",
	"devices":        "",
	"domainname":     "",
	"expose":         "services on one network reach each other at every port",
	"external_links": "use a shared network",
	"ipc":            "",
	"links":          "use a shared network",
	"mac_address":    "",
	"network_mode":   "use networks",
	"pid":            "",
	"privileged":     "use cap_add",
	"restart":        "use deploy.restart_policy",
	"security_opt":   "",
	"shm_size":       "mount a tmpfs at /dev/shm",
	"userns_mode":    "",
}

// refused are words of what to do instead of keys that docker stack deploy
// refuses a file for.
var refused = map[string]string{
	"cpu_quota": "use deploy.resources", "cpu_shares": "use deploy.resources", "cpus": "use deploy.resources",
	"cpuset": "use deploy.resources", "mem_limit": "use deploy.resources", "mem_reservation": "use deploy.resources",
	"memswap_limit": "use deploy.resources", "pids_limit": "use deploy.resources", "scale": "use deploy.replicas",
	"extends": "use an anchor or an overlay", "include": "list the file in COMPOSE_FILE",
	"name": "the stack's name is given at deploy", "profiles": "use an overlay",
	"platform": "use deploy.placement", "volumes_from": "use volumes", "pull_policy": "swarm decides when to pull",
}

func notForSwarm(path []string) string {
	key, service := last(path), len(path) == 3 && path[0] == "services"
	verb, instead := "refuses", refused[key]
	if word, ok := dropped[key]; ok && service {
		verb, instead = "ignores", word
	}
	if !service && len(path) > 1 {
		instead = ""
	}
	if instead != "" {
		instead = "; " + instead
	}
	return fmt.Sprintf("docker stack deploy %s the key %q %s%s", verb, shorten(key), inside(path[:len(path)-1]), instead)
}
