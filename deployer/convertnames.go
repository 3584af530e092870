package deployer

import "regexp"

// nameRule is what a swarm accepts as a name.
type nameRule struct {
	form   *regexp.Regexp
	length int // bytes
	says   string
}

// The rules are swarmkit's own (manager/controlapi) for services and networks,
// and for configs and secrets; and the engine's for volumes.
var (
	serviceNames = nameRule{
		regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`), 63,
		`letters, digits, "-" and "_", a letter or digit at both ends`,
	}
	fileNames = nameRule{
		regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9])?$`), 64,
		`letters, digits, "-", "_" and ".", a letter or digit at both ends`,
	}
	volumeNames = nameRule{
		regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`), 255,
		`letters, digits, "-", "_" and "."`,
	}
)

// checkName reports a name that the swarm would refuse, before anything is made.
func (c *converter) checkName(kind, key, name string, rule nameRule) bool {
	if len(name) > rule.length {
		c.fail("shorten the key in the compose file, or set STACK_NAME in the env file",
			"%s %q: its name %q has %d characters; expected at most %d", kind, key, name, len(name), rule.length)
		return false
	}
	if !rule.form.MatchString(name) {
		hint := ""
		if n := len(name); n > 0 && (name[n-1] == '_' || name[n-1] == '-') {
			hint = "the variable at the end of the name has no value: set it in the env file"
		}
		c.fail(hint, "%s %q: its name %q is not valid; expected %s", kind, key, name, rule.says)
		return false
	}
	return true
}
