package deployer

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// Forget removes what an undeploy leaves of a stack: its volumes on the
// nodes that can be asked, the secrets that galley made for it, and galley's own records. The data is
// gone then. It takes the stack's lock, and refuses a stack that still has services.
func (e *Engine) Forget(ctx context.Context, stack string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	services, err := e.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: byStack(stack)})
	if err != nil {
		return fmt.Errorf("forgetting stack %q: %w", stack, err)
	}
	if len(services) > 0 {
		return fault.New(fault.Unavailable, "stack %q still has %d services; undeploy it first", stack, len(services))
	}
	lock, _, err := e.Lock(ctx, stack, "forget")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release(ctx) }()
	for _, remove := range []func(context.Context, string) error{e.forgetSecrets, e.forgetVolumes, e.forgetRecords} {
		if err := remove(ctx, stack); err != nil {
			return fmt.Errorf("forgetting stack %q: %w", stack, err)
		}
	}
	return nil
}

func (e *Engine) forgetSecrets(ctx context.Context, stack string) error {
	args := filters.NewArgs(filters.Arg("label", labelApp+"="+stack))
	secrets, err := e.api.SecretList(ctx, swarm.SecretListOptions{Filters: args})
	if err != nil {
		return err
	}
	for _, s := range secrets {
		if err := e.api.SecretRemove(ctx, s.ID); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing secret %q: %w", s.Spec.Name, err)
		}
	}
	return nil
}

func (e *Engine) forgetVolumes(ctx context.Context, stack string) error {
	nodes, err := e.lookOnNodes(ctx, stack)
	if err == nil {
		_, _, err = e.removeVolumes(ctx, nodes, stack)
	}
	return err
}

// removeVolume removes a volume once no container holds it: those of removed
// tasks stay for a moment, and the engine answers 409 until they are gone.
func removeVolume(ctx context.Context, api *client.Client, name string) error {
	for {
		err := api.VolumeRemove(ctx, name, false)
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if !errdefs.IsConflict(err) || pause(ctx, lookAgain) != nil {
			return err
		}
	}
}

func (e *Engine) forgetRecords(ctx context.Context, stack string) error {
	for _, kind := range lastingRecords {
		records, err := e.records(ctx, kind, stack)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := e.removeRecord(ctx, r.ID); err != nil {
				return fmt.Errorf("removing the %s: %w", kind, err)
			}
		}
	}
	return nil
}

// ForgetImages removes the images of this node that carry a label
// ("galley.demo=1"), whatever they are called.
func (e *Engine) ForgetImages(ctx context.Context, label string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	images, err := e.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil {
		return fmt.Errorf("listing images with the label %q: %w", label, err)
	}
	for _, i := range images {
		if _, err := e.api.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("removing image %q: %w", i.ID, err)
		}
	}
	return nil
}
