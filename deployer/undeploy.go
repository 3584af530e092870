package deployer

import (
	"context"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// Left is what an undeploy did and what it left alone.
type Left struct {
	Services []string `json:"services"` // removed
	Configs  []string `json:"configs"`  // removed
	Networks []string `json:"networks"` // removed
	Volumes  []string `json:"volumes"`  // left, on this node
	// Elsewhere are volumes that are left on other nodes: those that were found there,
	// and of nodes that could not be asked those that the tasks had.
	Elsewhere []VolumeAt `json:"elsewhere"`
	Secrets   []string   `json:"secrets"` // left: their values cannot be had again
}

// Undeploy removes a stack's services, configs and networks, waiting until they
// are gone, and leaves volumes, secrets and the history. A stack that is not
// there is an error.
func (e *Engine) Undeploy(ctx context.Context, stack string, report func(Event)) (Left, error) {
	var left Left
	defer e.bePatient(context.Background())()
	defer e.scout(ctx)()
	lock, _, err := e.Lock(ctx, stack, "undeploy")
	if err != nil {
		return left, err
	}
	defer func() { _ = lock.Release(ctx) }()
	current, err := e.Current(ctx, stack, nil)
	if err != nil {
		return left, err
	}
	if len(current.Services)+len(current.Configs)+len(ownNetworks(current)) == 0 {
		err := fault.New(fault.Unavailable, "there is no stack %q on server %q", stack, e.Server)
		return left, fault.Hint(err, "galley app ls lists the apps and their servers")
	}
	nodes, err := e.lookOnNodes(ctx, stack)
	if err != nil {
		return left, err
	}
	elsewhere, err := e.volumesElsewhere(ctx, current, nodes)
	if err != nil {
		return left, err
	}
	secrets, err := e.ownSecrets(ctx, stack, nil, current.Secrets)
	if err != nil {
		return left, err
	}
	w := newWriter(e, current, lock, nil)
	started := time.Now()
	left, err = w.undeploy(ctx, current, started, report)
	left.Elsewhere, left.Secrets = elsewhere, secrets
	if err != nil && w.wrote {
		err = fault.Hint(fault.Wrap(fault.Left, err), "part of the stack is gone; undeploy it again")
	}
	if err != nil {
		return left, err
	}
	record := Record{
		When: started.UTC().Truncate(time.Second), By: Operator(), Operation: OpUndeploy, From: current.Version(), To: "", Verdict: Converged, State: StateNew,
		Reason: "undeployed", Changed: len(left.Services) + len(left.Configs) + len(left.Networks), Duration: time.Since(started),
	}
	return left, e.remember(context.WithoutCancel(ctx), stack, record)
}

// ownNetworks are the names of the networks that the stack made, sorted.
func ownNetworks(s *Stack) []string {
	var names []string
	for _, name := range sortedKeys(s.Networks) {
		if !s.Networks[name].External {
			names = append(names, name)
		}
	}
	return names
}

func (w *writer) undeploy(ctx context.Context, current *Stack, started time.Time, report func(Event)) (Left, error) {
	left := Left{Services: []string{}, Configs: []string{}, Networks: []string{}, Volumes: sortedKeys(current.Volumes)}
	say := func(kind, name string) {
		if report != nil {
			report(Event{Stage: "undeploy", Nodes: []string{}, Message: "remove " + kind + " " + name, Elapsed: time.Since(started)})
		}
	}
	gone := map[string]bool{}
	for _, name := range sortedKeys(current.Services) {
		if err := w.removeService(ctx, name, current.Services[name].ID); err != nil {
			return left, err
		}
		gone[current.Services[name].ID] = true
		left.Services = append(left.Services, name)
		say("service", name)
	}
	if err := w.engine.awaitGone(ctx, w.stack, gone); err != nil {
		return left, err
	}
	if err := sweepContainers(ctx, w.engine.api, w.stack); err != nil {
		return left, err
	}
	for _, name := range sortedKeys(current.Configs) {
		used, err := w.removeConfig(ctx, name, current.Configs[name].ID)
		if err != nil {
			return left, err
		}
		if !used {
			left.Configs = append(left.Configs, name)
			say("config", name)
		}
	}
	for _, name := range ownNetworks(current) {
		if err := w.removeNetwork(ctx, name, current.Networks[name].ID); err != nil {
			return left, err
		}
		left.Networks = append(left.Networks, name)
		say("network", name)
	}
	return left, w.dropJournal(ctx)
}

// dropJournal removes the journal of a deploy that did not end: of a stack that
// is gone there is nothing to put back.
func (w *writer) dropJournal(ctx context.Context) error {
	_, id, err := w.engine.readJournal(ctx, w.stack)
	if err != nil || id == "" {
		return err
	}
	return w.engine.removeRecord(ctx, id)
}

// belongs tells whether a name on the swarm is one of the stack's.
func belongs(name, stack string) bool {
	return len(name) > len(stack) && name[:len(stack)] == stack && name[len(stack)] == '_'
}
