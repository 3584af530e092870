package deployer

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// labelApp marks a secret as an app's. It is not the namespace label: docker
// stack rm must not take a value along that nobody can make again.
const labelApp = "galley.app"

// maxSecret is the largest secret a swarm takes, in bytes: less than 500 KiB.
const maxSecret = 500<<10 - 1

// SecretState is a secret that an app needs, and whether the swarm has it.
type SecretState struct {
	SecretSpec
	Exists bool     `json:"exists"`
	ID     string   `json:"id"`
	UsedBy []string `json:"used_by"` // services of the stack that mount it now
}

// Secrets tells which of the wanted secrets the swarm has.
func (e *Engine) Secrets(ctx context.Context, desired *Desired) ([]SecretState, error) {
	current, err := e.Current(ctx, desired.Stack.Name, nil)
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, name := range sortedKeys(current.Services) {
		if c := current.Services[name].Spec.TaskTemplate.ContainerSpec; c != nil {
			for _, s := range c.Secrets {
				users[s.SecretName] = append(users[s.SecretName], name)
			}
		}
	}
	states := []SecretState{}
	for _, spec := range desired.Secrets {
		known, ok := current.Secrets[spec.Name]
		states = append(states, SecretState{SecretSpec: spec, Exists: ok, ID: known.ID, UsedBy: append([]string{}, users[spec.Name]...)})
	}
	return states, nil
}

// CreateSecret writes a secret's value. One of that name that exists is an
// error, and keeps its value.
func (e *Engine) CreateSecret(ctx context.Context, stack, name string, value []byte) error {
	return e.createSecret(ctx, stack, name, value, nil)
}

// createSecret is CreateSecret with more labels than the stack's.
func (e *Engine) createSecret(ctx context.Context, stack, name string, value []byte, more map[string]string) error {
	if len(value) == 0 || len(value) > maxSecret {
		return fault.New(fault.Usage, "the value of secret %q has %d bytes; expected 1 to %d", name, len(value), maxSecret)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	labels := map[string]string{labelApp: stack}
	maps.Copy(labels, more)
	_, err := e.api.SecretCreate(ctx, swarm.SecretSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: value})
	if err != nil && isNameTaken(err) {
		return SecretExists(name)
	}
	if err != nil {
		return fmt.Errorf("creating secret %q: %w", name, withoutValue(err))
	}
	return nil
}

// withoutValue keeps an engine's error from carrying a request's body along.
func withoutValue(err error) error {
	if errdefs.IsInvalidArgument(err) {
		return errors.New("the engine refuses it as invalid")
	}
	return err
}

// RemoveSecret removes a secret by the ID that Secrets gave. One that a service
// uses is an error that names it.
func (e *Engine) RemoveSecret(ctx context.Context, state SecretState) error {
	if len(state.UsedBy) > 0 {
		err := fmt.Errorf("secret %q is used by %s", state.Name, state.UsedBy[0])
		return fault.Hint(err, "undeploy the app, or deploy a version of the secret that replaces it, first")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := e.api.SecretRemove(ctx, state.ID); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing secret %q: %w", state.Name, err)
	}
	return nil
}

// RemoveSecretNamed removes a secret that no service uses, by its name. One that is not
// there is no error.
func (e *Engine) RemoveSecretNamed(ctx context.Context, name string) error {
	id, err := e.secretID(ctx, name)
	if err != nil || id == "" {
		return err
	}
	return e.RemoveSecret(ctx, SecretState{SecretSpec: SecretSpec{Name: name}, ID: id})
}

// SecretExists is the error for a secret that is there already: swarm changes none.
func SecretExists(name string) error {
	err := fault.New(fault.Unavailable, "secret %q exists already, and keeps its value", name)
	return fault.Hint(err, "galley app secret rotate gives it a new value, as its next version")
}
