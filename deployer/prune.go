package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// KeptConfigs is how many versions of each config that nothing uses any more are
// kept for a way back; older ones are removed after a deploy.
const KeptConfigs = 3

// prune removes old versions of the stack's own configs, once the new stack runs
// and its journal is gone. Anything that might still be needed stays: what a spec
// or a PreviousSpec of any service on the swarm names, and what any journal does.
// It returns the names of those that are gone.
func (d *deploy) prune(ctx context.Context, current *Stack) ([]string, error) {
	pruned := []string{}
	old := oldConfigs(current)
	if len(old) == 0 {
		return pruned, nil
	}
	needed, err := d.engine.neededConfigs(ctx)
	if err != nil {
		return pruned, err
	}
	for _, name := range old {
		c := current.Configs[name]
		if needed[c.ID] || needed[name] {
			continue
		}
		used, err := d.removeConfig(ctx, name, c.ID)
		if err != nil {
			return pruned, err
		}
		if !used {
			pruned = append(pruned, name)
			d.say("prune", "remove config %s", name)
		}
	}
	return pruned, nil
}

// oldConfigs are the stack's own configs that none of its services names, but for
// the newest KeptConfigs of each key; sorted.
func oldConfigs(current *Stack) []string {
	used := map[string]bool{}
	for _, s := range current.Services {
		useConfigs(used, &s.Spec)
		useConfigs(used, s.Previous)
	}
	versions := map[string][]string{}
	for _, name := range sortedKeys(current.Configs) {
		c := current.Configs[name]
		if _, record := c.Spec.Labels[labelRecord]; c.External || record || used[c.ID] || used[name] {
			continue
		}
		key := configKey(current.Name, c.Spec)
		versions[key] = append(versions[key], name)
	}
	var old []string
	for _, names := range versions {
		slices.SortStableFunc(names, func(a, b string) int { return current.Configs[b].Created.Compare(current.Configs[a].Created) })
		if len(names) > KeptConfigs {
			old = append(old, names[KeptConfigs:]...)
		}
	}
	slices.Sort(old)
	return old
}

// configKey tells versions of one config from those of another: by the label
// that galley writes, else by the name up to its last "_", which is where recipes
// put a version.
func configKey(stack string, spec swarm.ConfigSpec) string {
	if key := spec.Labels[labelConfig]; key != "" {
		return key
	}
	key := strings.TrimPrefix(spec.Name, stack+"_")
	if i := strings.LastIndexByte(key, '_'); i > 0 {
		key = key[:i]
	}
	return key
}

// useConfigs adds what a spec names, by ID and by name.
func useConfigs(used map[string]bool, spec *swarm.ServiceSpec) {
	if spec == nil || spec.TaskTemplate.ContainerSpec == nil {
		return
	}
	for _, r := range spec.TaskTemplate.ContainerSpec.Configs {
		used[r.ConfigID], used[r.ConfigName] = true, true
	}
	if p := spec.TaskTemplate.ContainerSpec.Privileges; p != nil && p.CredentialSpec != nil {
		used[p.CredentialSpec.Config] = true
	}
}

// neededConfigs are the configs that something on the swarm names, by ID and by
// name: all services, and all journals.
func (e *Engine) neededConfigs(ctx context.Context) (map[string]bool, error) {
	needed := map[string]bool{}
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	services, err := e.api.ServiceList(bounded, swarm.ServiceListOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading all services: %w", err)
	}
	for _, s := range services {
		useConfigs(needed, &s.Spec)
		useConfigs(needed, s.PreviousSpec)
	}
	journals, err := e.records(ctx, recordJournal, "")
	if err != nil {
		return nil, fmt.Errorf("reading all journals: %w", err)
	}
	for _, record := range journals {
		j, err := unpackJournal(record.Spec.Data)
		if err != nil {
			return nil, fmt.Errorf("reading the journal %q: %w", record.Spec.Name, err)
		}
		for _, name := range j.Configs {
			needed[name] = true
		}
		for _, spec := range j.Services {
			useConfigs(needed, &spec)
		}
	}
	return needed, nil
}

// unusedSecrets are the stack's own secrets that neither the wanted stack nor a
// service that stands names, sorted. They are only told: a secret's value cannot
// be had again.
func unusedSecrets(desired *Desired, current *Stack) []string {
	used, names := map[string]bool{}, current.Names().Secrets
	for _, s := range desired.Secrets {
		used[s.Name] = true
	}
	for _, stack := range []*Stack{desired.Stack, current} {
		for _, s := range stack.Services {
			if c := s.Spec.TaskTemplate.ContainerSpec; c != nil {
				for _, r := range c.Secrets {
					used[r.SecretName], used[names[r.SecretID]] = true, true
				}
			}
		}
	}
	unused := []string{}
	for _, name := range sortedKeys(current.Secrets) {
		if !used[name] && ownSecret(current.Name, current.Secrets[name]) {
			unused = append(unused, name)
		}
	}
	return unused
}

// ownSecret goes by the labels that say whose a secret is, and by its name when
// there are none.
func ownSecret(stack string, s Secret) bool {
	if owner := cmp.Or(s.Labels[labelApp], s.Labels[NamespaceLabel]); owner != "" {
		return owner == stack
	}
	return belongs(s.Name, stack)
}
