package deployer

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Credentials gives the login of a registry for an image reference, encoded as
// the engine's X-Registry-Auth header takes it; "" for none.
type Credentials func(reference string) (string, error)

// createService makes a service from a wanted spec.
func (w *writer) createService(ctx context.Context, spec swarm.ServiceSpec) (id string, err error) {
	for {
		stored, auth, err := w.prepare(spec)
		if err != nil {
			return "", err
		}
		id, err := w.create(ctx, stored, auth)
		if err == nil || !w.remakeNetwork(ctx, err) {
			return id, err
		}
	}
}

// create makes a service from a spec that holds this swarm's IDs.
func (w *writer) create(ctx context.Context, spec swarm.ServiceSpec, auth string) (id string, err error) {
	ctx, cancel, err := w.guard(ctx)
	if err != nil {
		return "", err
	}
	defer cancel()
	w.touched[spec.Name], w.written[spec.Name] = true, spec
	id, err = once(ctx, func(ctx context.Context) (string, error) {
		created, err := w.engine.api.ServiceCreate(ctx, spec, swarm.ServiceCreateOptions{EncodedRegistryAuth: auth})
		return created.ID, err
	}, func(ctx context.Context) string { return w.engine.madeService(ctx, spec) })
	if err != nil {
		return "", fmt.Errorf("creating service %q: %w", spec.Name, err)
	}
	return id, nil
}

// updateService writes a wanted spec over the one that known was read with. When
// swarm itself moved the service meanwhile (an update began or settled) the
// write is tried again on the fresh version; when someone else changed the spec
// it is refused.
func (w *writer) updateService(ctx context.Context, known Service, spec swarm.ServiceSpec) error {
	for {
		stored, auth, err := w.prepare(spec)
		if err != nil {
			return err
		}
		err = w.overwrite(ctx, known, stored, auth, func(fresh swarm.ServiceSpec) error {
			if sameSpec(fresh, known.Spec) {
				return nil
			}
			err := fault.New(fault.Unavailable, "service %q was changed by someone else meanwhile", spec.Name)
			return fault.Hint(err, "run the deploy again, to see a plan of what stands now")
		})
		if err == nil || !w.remakeNetwork(ctx, err) {
			return err
		}
	}
}

// outOfSequenceTries is how often a write is tried that swarm itself outran.
const outOfSequenceTries = 20

// overwrite writes a spec that holds this swarm's IDs over a service. accept
// judges what stands when the service moved since known was read.
func (w *writer) overwrite(ctx context.Context, known Service, spec swarm.ServiceSpec, auth string, accept func(swarm.ServiceSpec) error) error {
	version := known.Version
	for try := 1; ; try++ {
		err := w.update(ctx, known.ID, version, spec, auth)
		if err == nil {
			return nil
		}
		if !isOutOfSequence(err) || try >= outOfSequenceTries {
			return fmt.Errorf("updating service %q: %w", spec.Name, err)
		}
		fresh, err := w.engine.inspect(ctx, known.ID)
		if err != nil {
			return fmt.Errorf("updating service %q: %w", spec.Name, err)
		}
		if w.engine.isWritten(fresh.Spec, known.Spec, spec) {
			w.touched[spec.Name], w.written[spec.Name] = true, spec // the answer was lost, and not the write
			return nil
		}
		if err := accept(fresh.Spec); err != nil {
			return err
		}
		version = fresh.Version
	}
}

func (w *writer) update(ctx context.Context, id string, version swarm.Version, spec swarm.ServiceSpec, auth string) error {
	ctx, cancel, err := w.guard(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	_, err = w.engine.api.ServiceUpdate(ctx, id, version, spec, swarm.ServiceUpdateOptions{EncodedRegistryAuth: auth})
	if err == nil || !isOutOfSequence(err) { // out of sequence: nothing was written
		w.touched[spec.Name], w.written[spec.Name] = true, spec
	}
	return err
}

// isOutOfSequence reads the engine's text: the error comes as a plain 500.
func isOutOfSequence(err error) bool { return strings.Contains(err.Error(), "update out of sequence") }

func sameSpec(a, b swarm.ServiceSpec) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (w *writer) removeService(ctx context.Context, name, id string) error {
	ctx, cancel, err := w.guard(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	w.touched[name] = true
	if err := w.engine.api.ServiceRemove(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing service %q: %w", name, err)
	}
	return nil
}

// makeWay removes a service that is to be made anew and waits until its tasks
// are gone: two databases on one volume are one too many.
func (w *writer) makeWay(ctx context.Context, name, id string) error {
	if err := w.removeService(ctx, name, id); err != nil {
		return err
	}
	return w.engine.awaitEnded(ctx, w.stack, map[string]bool{id: true})
}

// prepare turns names into this swarm's IDs and finds the registry's login. The
// wanted spec is not changed.
func (w *writer) prepare(spec swarm.ServiceSpec) (swarm.ServiceSpec, string, error) {
	spec = copySpec(spec)
	for i, n := range spec.TaskTemplate.Networks {
		id, ok := w.networks[n.Target]
		if !ok {
			return spec, "", fmt.Errorf("service %q: there is no network %q", spec.Name, n.Target)
		}
		spec.TaskTemplate.Networks[i].Target = id
	}
	container := spec.TaskTemplate.ContainerSpec
	if container == nil {
		return spec, "", fmt.Errorf("service %q has no container", spec.Name)
	}
	var err error
	for _, c := range container.Configs {
		if c.ConfigID, err = idOf(w.configs, "config", c.ConfigName, spec.Name); err != nil {
			return spec, "", err
		}
	}
	for _, s := range container.Secrets {
		if s.SecretID, err = idOf(w.secrets, "secret", s.SecretName, spec.Name); err != nil {
			return spec, "", err
		}
	}
	if w.credentials == nil {
		return spec, "", nil
	}
	auth, err := w.credentials(container.Image)
	if err != nil {
		return spec, "", fmt.Errorf("finding the login for %q: %w", container.Image, err)
	}
	return spec, auth, nil
}

func idOf(ids map[string]string, kind, name, service string) (string, error) {
	id, ok := ids[name]
	if !ok || id == "" {
		return "", fmt.Errorf("service %q: there is no %s %q", service, kind, name)
	}
	return id, nil
}

func (e *Engine) inspect(ctx context.Context, id string) (swarm.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	service, _, err := e.api.ServiceInspectWithRaw(ctx, id, swarm.ServiceInspectOptions{})
	return service, err
}

// startOf is when the update began whose status stands, zero without one.
func startOf(u *swarm.UpdateStatus) time.Time {
	if u == nil || u.StartedAt == nil {
		return time.Time{}
	}
	return *u.StartedAt
}

// sameMode tells whether swarm lets one mode become the other: only the numbers
// in it may change.
func sameMode(a, b swarm.ServiceMode) bool {
	return (a.Replicated != nil) == (b.Replicated != nil) && (a.Global != nil) == (b.Global != nil) &&
		(a.ReplicatedJob != nil) == (b.ReplicatedJob != nil) && (a.GlobalJob != nil) == (b.GlobalJob != nil)
}

// EncodeAuth encodes a login as engines take it.
func EncodeAuth(username, password, identityToken, registryToken, host string) (string, error) {
	auth := registry.AuthConfig{
		Username: username, Password: password, IdentityToken: identityToken, RegistryToken: registryToken, ServerAddress: host,
	}
	if reflect.DeepEqual(auth, registry.AuthConfig{ServerAddress: host}) {
		return "", nil
	}
	return registry.EncodeAuthConfig(auth)
}
