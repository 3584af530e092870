package deployer

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// owners are the stacks that a swarm knows of, to tell whose a name is: the stacks
// "a" and "a_b" may both have made "a_b_c".
type owners map[string]bool

// stacks reads which stacks there are: by their services, by the secrets that
// galley made and by its records.
func (e *Engine) stacks(ctx context.Context) (owners, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	known := owners{}
	services, err := e.api.ServiceList(ctx, swarm.ServiceListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the services: %w", err)
	}
	for _, s := range services {
		known[s.Spec.Labels[NamespaceLabel]] = true
	}
	secrets, err := e.api.SecretList(ctx, swarm.SecretListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the secrets: %w", err)
	}
	for _, s := range secrets {
		known[s.Spec.Labels[labelApp]] = true
	}
	records, err := e.records(ctx, recordHistory, "")
	if err != nil {
		return nil, fmt.Errorf("listing the records: %w", err)
	}
	for _, r := range records {
		known[r.Spec.Labels[labelStack]] = true
	}
	delete(known, "") // of what belongs to no stack
	return known, nil
}

// of is whose a secret is: by its label, else the stack with the longest name that
// its own begins with; "" for nobody known.
func (o owners) of(name string, labels map[string]string) string {
	for _, label := range []string{labelApp, NamespaceLabel} {
		if labels[label] != "" {
			return labels[label]
		}
	}
	owner := ""
	for stack := range o {
		if len(stack) > len(owner) && strings.HasPrefix(name, stack+"_") {
			owner = stack
		}
	}
	return owner
}

// ownSecrets are the secrets of a stack, used or not, sorted. others are stacks that
// the caller knows of, whether or not the swarm does.
func (e *Engine) ownSecrets(ctx context.Context, stack string, others []string, all map[string]Secret) ([]string, error) {
	known, err := e.stacks(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range append(others, stack) {
		known[name] = true
	}
	names := []string{}
	for _, name := range sortedKeys(all) {
		if known.of(name, all[name].Labels) == stack {
			names = append(names, name)
		}
	}
	return names, nil
}
