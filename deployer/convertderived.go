package deployer

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"
)

// labelConfig is the key of a config in the compose file, so that its versions
// are known as such whatever they are called.
const labelConfig = "galley.config"

// derivedLength is how much of a content's hash stands in a config's name.
const derivedLength = 12

// derivedName is what a config without a name of its own is called when other
// content stands under its plain name: the plain one with the hash of what a
// container would see. Too long a plain name is cut.
func derivedName(plain string, spec swarm.ConfigSpec) string {
	hash := sha256.New()
	hash.Write(spec.Data)
	if t := canonicalConfig(spec).Templating; t != nil {
		hash.Write([]byte("\x00" + t.Name))
	}
	suffix := "_" + hex.EncodeToString(hash.Sum(nil))[:derivedLength]
	return plain[:min(len(plain), maxSwarmName-len(suffix))] + suffix
}

// against gives the configs that have no name of their own the names they have
// or will have beside a current stack. A recipe that names its configs by
// versions says itself when one changed; a config without a name is <stack>_<key>
// as docker stack deploy calls it, until its content changes, which no swarm
// allows under one name. Of two names with the wanted content, the one that a
// service uses now stays. d is not changed.
func (d *Desired) against(current *Stack) *Desired {
	renamed := map[string]string{}
	for _, plain := range d.derived {
		want := d.Stack.Configs[plain].Spec
		derived := derivedName(plain, want)
		standing, stands := current.Configs[plain]
		_, derivedStands := current.Configs[derived]
		switch {
		case derivedStands && usesConfig(current, derived):
		case stands && sameConfig(standing.Spec, want):
			continue
		case !stands && !derivedStands:
			continue
		}
		renamed[plain] = derived
	}
	if len(renamed) == 0 {
		return d
	}
	next := *d
	next.Stack = d.Stack.rename(renamed)
	next.derived = slices.DeleteFunc(slices.Clone(d.derived), func(plain string) bool { return renamed[plain] != "" })
	return &next
}

// rename is the stack with other names for some configs; what it changes is copied.
func (s *Stack) rename(configs map[string]string) *Stack {
	next := *s
	next.Configs, next.Services = maps.Clone(s.Configs), maps.Clone(s.Services)
	for from, to := range configs {
		config := next.Configs[from]
		config.Spec.Name = to
		delete(next.Configs, from)
		next.Configs[to] = config
	}
	for name, service := range next.Services {
		c := service.Spec.TaskTemplate.ContainerSpec
		if c == nil || !slices.ContainsFunc(c.Configs, func(r *swarm.ConfigReference) bool { return configs[r.ConfigName] != "" }) {
			continue
		}
		service.Spec = copySpec(service.Spec)
		for _, r := range service.Spec.TaskTemplate.ContainerSpec.Configs {
			if to := configs[r.ConfigName]; to != "" {
				r.ConfigName = to
			}
		}
		next.Services[name] = service
	}
	return &next
}

// usesConfig tells whether a service's spec names the config.
func usesConfig(s *Stack, name string) bool {
	for _, service := range s.Services {
		c := service.Spec.TaskTemplate.ContainerSpec
		if c != nil && slices.ContainsFunc(c.Configs, func(r *swarm.ConfigReference) bool { return r.ConfigName == name }) {
			return true
		}
	}
	return false
}
