package deployer

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

const (
	// labelCarrierBy tells whose a helper is, as the record of a lock does.
	labelCarrierBy = "galley.carrier-by"
	// labelTask is swarm's own, on the containers of its tasks.
	labelTask = "com.docker.swarm.task.id"
	// abandonedAfter is how old a helper's service is that nobody waits for any more.
	abandonedAfter = 2 * secretsWithin
)

// carrierLabels mark a helper of this process.
func carrierLabels(stack string) map[string]string {
	by, err := json.Marshal(Holder{Owner: Operator(), PID: os.Getpid(), Process: processMark(), Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		by = nil // it is swept by its age then
	}
	return map[string]string{labelCarrier: stack, labelCarrierBy: string(by)}
}

// orphaned tells a helper whose galley was a process of this machine that is gone.
func orphaned(labels map[string]string) bool {
	var by Holder
	return json.Unmarshal([]byte(labels[labelCarrierBy]), &by) == nil && by.died()
}

// endOrphans ends what a galley that died has left at work for a stack, on all nodes that
// can be asked: a helper goes on without it. The caller holds the stack's lock, so
// whatever writes into a volume of it is nobody's any more; what reads only may be of
// somebody who has yet to take the lock.
func (e *Engine) endOrphans(ctx context.Context, stack string) error {
	e.sweepCarriers(ctx)
	nodes, err := e.Reached(ctx)
	if err != nil {
		return err
	}
	for host, id := range nodes {
		api := e.at(id)
		if api == nil {
			continue // nor can its volumes be worked on
		}
		if err := endOrphansAt(ctx, api, stack); err != nil && !client.IsErrConnectionFailed(err) {
			return fmt.Errorf("ending what is left at work on node %q: %w", host, err)
		}
	}
	return nil
}

// endOrphansAt returns when they are gone, and hold no volume any more.
func endOrphansAt(ctx context.Context, api *client.Client, stack string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		all, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelCarrier+"="+stack))})
		if err != nil {
			return err
		}
		left := 0
		for _, c := range all {
			if c.Labels[labelTask] != "" || !orphaned(c.Labels) && !writes(c) {
				continue
			}
			left++
			err := api.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})
			if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) { // conflict: it is being removed
				return err
			}
		}
		if left == 0 {
			return nil
		}
		if err := pause(ctx, lookAgain/4); err != nil {
			return err
		}
	}
}

func writes(c container.Summary) bool {
	for _, m := range c.Mounts {
		if m.RW {
			return true
		}
	}
	return false
}

// sweepCarriers removes helpers' services whose galley is gone.
func (e *Engine) sweepCarriers(ctx context.Context) {
	if now, err := e.swarmTime(ctx); err == nil { // it is tidying up: what follows will tell
		e.sweepCarriersAt(ctx, now)
	}
}

func (e *Engine) sweepCarriersAt(ctx context.Context, now time.Time) {
	services, err := e.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: filters.NewArgs(filters.Arg("label", labelCarrier))})
	if err != nil {
		return
	}
	for _, s := range services {
		if orphaned(s.Spec.Labels) || now.Sub(s.CreatedAt) > abandonedAfter {
			if err := e.api.ServiceRemove(ctx, s.ID); err != nil && !errdefs.IsNotFound(err) {
				return
			}
		}
	}
}
