package deployer

import (
	"context"
	"slices"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// UnusedSecret is a secret of a stack that neither its services nor what is wanted
// of them mount: an old version, most often.
type UnusedSecret struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Rotates is what an interrupted rotation was to replace by this one, "" for none.
	Rotates string `json:"rotates"`
}

// UnusedSecrets lists a stack's secrets that nothing uses, by name. others are
// stacks whose names may begin alike.
func (e *Engine) UnusedSecrets(ctx context.Context, desired *Desired, others []string) ([]UnusedSecret, error) {
	current, err := e.Current(ctx, desired.Stack.Name, nil)
	if err != nil {
		return nil, err
	}
	own, err := e.ownSecrets(ctx, desired.Stack.Name, others, current.Secrets)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	listed, err := e.api.SecretList(ctx, swarm.SecretListOptions{})
	if err != nil {
		return nil, err
	}
	created := map[string]time.Time{}
	for _, s := range listed {
		created[s.Spec.Name] = s.CreatedAt
	}
	used := mountedSecrets(current)
	unused := []UnusedSecret{}
	for _, name := range own {
		wanted := slices.ContainsFunc(desired.Secrets, func(s SecretSpec) bool { return s.Name == name })
		if !wanted && !used[name] {
			s := current.Secrets[name]
			unused = append(unused, UnusedSecret{Name: name, ID: s.ID, Created: created[name], Rotates: s.Labels[labelRotates]})
		}
	}
	return unused, nil
}
