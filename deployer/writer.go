package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// writer makes the changes of one deploy. Every write is behind a check of the
// lock and a deadline of its own.
type writer struct {
	engine      *Engine
	stack       string
	lock        *Lock
	credentials Credentials
	// abort, when it ends, gives up writes that are under way; nil never does.
	abort context.Context
	// own tells how to make one of the stack's own networks; nil knows none.
	own func(network string) (Network, bool)
	// networks, configs and secrets give the ID of a name on this swarm.
	networks, configs, secrets map[string]string
	// wrote says that a write was tried: until then nothing was changed.
	wrote bool
	// touched are the services that a write was tried on, written the specs that
	// were last sent.
	touched map[string]bool
	written map[string]swarm.ServiceSpec
}

func newWriter(e *Engine, current *Stack, lock *Lock, credentials Credentials) *writer {
	w := &writer{
		engine: e, stack: current.Name, lock: lock, credentials: credentials, touched: map[string]bool{}, written: map[string]swarm.ServiceSpec{},
		networks: map[string]string{}, configs: map[string]string{}, secrets: map[string]string{},
	}
	w.learn(current)
	return w
}

// learn takes the IDs of what stands now.
func (w *writer) learn(current *Stack) {
	for name, n := range current.Networks {
		w.networks[name] = n.ID
	}
	for name, c := range current.Configs {
		w.configs[name] = c.ID
	}
	for name, s := range current.Secrets {
		w.secrets[name] = s.ID
	}
}

// guard checks the lock and bounds one write. A write that was sent is waited
// for although ctx ends: given up half way, nobody would know whether it was
// made. Only abort cuts it short.
func (w *writer) guard(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if w.lock != nil {
		if err := w.lock.Check(ctx); err != nil {
			return nil, nil, err
		}
	}
	w.wrote = true
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	if w.abort == nil {
		return writing, cancel, nil
	}
	release := context.AfterFunc(w.abort, cancel)
	return writing, func() { release(); cancel() }, nil
}

func (w *writer) createNetwork(ctx context.Context, n Network) error {
	ctx, cancel, err := w.guard(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	id, err := once(ctx, func(ctx context.Context) (string, error) {
		created, err := w.engine.api.NetworkCreate(ctx, n.Name, n.Options)
		return created.ID, err
	}, func(ctx context.Context) string { return w.engine.madeNetwork(ctx, n) })
	if err != nil {
		return fmt.Errorf("creating network %q: %w", n.Name, err)
	}
	w.networks[n.Name] = id
	return nil
}

// goneNetwork is the swarm's answer to a spec that names a network which it does not have.
var goneNetwork = regexp.MustCompile(`network (\S+) not found`)

// remakeNetwork makes a network again when err, of a service's write, says that the
// swarm does not have it. A node lists its copy of a network for some seconds after it
// was removed, as by a deploy that was killed then, and the engine shows it as if it
// were there: only a write tells. While there is a copy the name is taken.
func (w *writer) remakeNetwork(ctx context.Context, err error) bool {
	gone := goneNetwork.FindStringSubmatch(err.Error())
	if gone == nil || w.own == nil {
		return false
	}
	for _, name := range sortedKeys(w.networks) {
		n, own := w.own(name)
		if w.networks[name] != gone[1] || !own {
			continue
		}
		for deadline := time.Now().Add(requestTimeout); ; {
			err := w.createNetwork(ctx, n)
			if err == nil {
				return true
			}
			if !isNameTaken(err) || time.Now().After(deadline) || pause(ctx, lookAgain) != nil {
				return false
			}
		}
	}
	return false
}

func (w *writer) createConfig(ctx context.Context, c Config) error {
	ctx, cancel, err := w.guard(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	id, err := w.engine.createConfig(ctx, c.Spec)
	if err != nil {
		return fmt.Errorf("creating config %q: %w", c.Spec.Name, err)
	}
	w.configs[c.Spec.Name] = id
	return nil
}

// removeConfig removes a config. One that something still uses stays, and used
// says so.
func (w *writer) removeConfig(ctx context.Context, name, id string) (used bool, err error) {
	ctx, cancel, err := w.guard(ctx)
	if err != nil {
		return false, err
	}
	defer cancel()
	err = w.engine.api.ConfigRemove(ctx, id)
	if errdefs.IsInvalidArgument(err) {
		return true, nil
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return false, fmt.Errorf("removing config %q: %w", name, err)
	}
	return false, nil
}

// removeNetwork removes a network once the tasks that used it are gone: swarm
// refuses until then, so it is tried until the deadline.
//
// It is gone when the engine does not list it any more. The node keeps a copy
// for up to a second or two after swarm has forgotten it, and a plan that found
// the copy would count on a network that is not there.
func (w *writer) removeNetwork(ctx context.Context, name, id string) error {
	deadline := time.Now().Add(requestTimeout)
	for {
		attempt, cancel, err := w.guard(ctx)
		if err != nil {
			return err
		}
		err = w.engine.api.NetworkRemove(attempt, id)
		cancel()
		if err == nil || errdefs.IsNotFound(err) {
			listed, err := w.engine.listsNetwork(ctx, id)
			if err != nil || !listed {
				return err
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("removing network %q: %w", name, cmp.Or(err, errStillListed))
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

var errStillListed = errors.New("the engine still lists it")

func (e *Engine) listsNetwork(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	networks, err := e.api.NetworkList(ctx, network.ListOptions{Filters: newFilter("id", []string{id})})
	return len(networks) > 0, err
}

// lookAgain is how long a wait for something to go away waits between two looks.
const lookAgain = 200 * time.Millisecond

// pause waits between two looks, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
