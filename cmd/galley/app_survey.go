package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// askWithin is how long one of several servers may take to answer.
const askWithin = 10 * time.Second

// serverFlag narrows a command over all apps to one server.
type serverFlag struct {
	Server string `short:"s" help:"Only this server, a docker context's name." placeholder:"SERVER"`
}

// apps lists the apps of the operator's folder on one server, or on all (""). What
// cannot be read is warned of.
func (a *appCmd) apps(s *streams, server string) []deployer.App {
	found, problems := a.dir().Apps()
	for _, problem := range problems {
		s.notef("galley: warning: %s\n", oneLine(problem.Error()))
	}
	return slices.DeleteFunc(found, func(app deployer.App) bool { return server != "" && app.Server != server })
}

// serversOf are the apps' servers, or the one that was named.
func serversOf(apps []deployer.App, server string) []string {
	if server != "" {
		return []string{server}
	}
	var names []string
	for _, app := range apps {
		names = append(names, app.Server)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ask opens the servers and warns of those that do not answer.
func ask(ctx context.Context, s *streams, apps *appCmd, names []string) ([]*deployer.ServerState, error) {
	servers := deployer.AskServers(ctx, apps.dir(), names, askWithin)
	if err := ctx.Err(); err != nil {
		deployer.CloseServers(servers)
		return nil, err
	}
	for _, server := range servers {
		if !server.Up && len(servers) > 1 {
			s.notef("galley: warning: %s\n", server.Error)
		}
	}
	return servers, nil
}

func serverOf(servers []*deployer.ServerState, name string) *deployer.ServerState {
	for _, server := range servers {
		if server.Name == name {
			return server
		}
	}
	return nil
}

// noneUp is the first server's error when no server answered.
func noneUp(servers []*deployer.ServerState) error {
	for _, server := range servers {
		if server.Up {
			return nil
		}
	}
	if len(servers) == 0 {
		return nil
	}
	return servers[0].Err()
}

// shelf reads catalogues for many apps. Each is opened once, and one that cannot
// be read is not tried again for the next app. It may be used from any goroutine.
type shelf struct {
	s    *streams
	apps *appCmd

	mu      sync.Mutex
	clients map[string]*catalogue.Clients // by what was asked for: naming one closes the others
	failed  map[string]error              // the same
	newer   map[string]string
	seen    map[string]deployer.CatalogueMark
}

func (a *appCmd) shelf(s *streams) *shelf {
	return &shelf{s: s, apps: a, clients: map[string]*catalogue.Clients{}, failed: map[string]error{}, newer: map[string]string{}, seen: map[string]deployer.CatalogueMark{}}
}

// client is the catalogue of an app's recipe.
func (h *shelf) client(ctx context.Context, app deployer.App) (client *catalogue.Client, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := cmp.Or(h.apps.From, app.Catalogue)
	if err := h.failed[from]; err != nil {
		return nil, err
	}
	clients, ok := h.clients[from]
	if !ok {
		if clients, err = h.apps.clients(h.s, filepath.Join(h.apps.dir().Root, "trust")); err != nil {
			h.failed[from] = err
			return nil, err
		}
		h.clients[from] = clients
	}
	client, err = clients.For(ctx, from, app.Recipe)
	if err != nil && !errors.Is(err, catalogue.ErrNotPublished) && ctx.Err() == nil {
		h.failed[from] = err
	}
	return client, err
}

func (h *shelf) close() {
	for _, clients := range h.clients {
		_ = clients.Close()
	}
}

// expiries are the catalogues that were read, by address, and when they expire.
func (h *shelf) expiries() map[string]time.Time {
	all := map[string]time.Time{}
	for _, clients := range h.clients {
		for _, client := range clients.Opened() {
			all[client.Info().Location] = client.Info().ValidUntil()
		}
	}
	return all
}

// upgrade is the newest version that the app could go to, "" without one.
func (h *shelf) upgrade(ctx context.Context, client *catalogue.Client, name, version string) (string, error) {
	key := client.Info().Location + " " + name + " " + version
	h.mu.Lock()
	found, known := h.newer[key]
	h.mu.Unlock()
	if known {
		return found, nil
	}
	found, err := newest(ctx, client, name, version)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newer[key] = found
	return found, nil
}

// newest is the version that galley app upgrade would take.
func newest(ctx context.Context, client *catalogue.Client, name, from string) (string, error) {
	if _, err := recipe.ParseVersion(from); err != nil {
		return "", nil // nothing says what is newer
	}
	published, err := client.Recipe(ctx, name)
	if err != nil {
		return "", err
	}
	entry, _, err := client.Upgrade(ctx, published, from, vettedOnly)
	if err != nil || entry == nil {
		return "", err
	}
	return entry.Version, nil
}

// distrust is why an app's catalogue is not the one to compare the stack with, nil
// when it is.
func (h *shelf) distrust(ctx context.Context, client *catalogue.Client, engine *deployer.Engine, status *deployer.Status) error {
	w := &wanted{client: client}
	if status.Catalogue != "" {
		same, err := client.Same(ctx, status.Catalogue)
		if err != nil {
			return err
		}
		if !same {
			info := client.Info()
			return fault.New(fault.Refused, "%s was deployed from the catalogue with root %s; %s has root %s",
				status.Stack, catalogue.ShortFingerprint(status.Catalogue), info.Location, catalogue.ShortFingerprint(info.Fingerprint))
		}
		w.fingerprint = status.Catalogue
	}
	mark := w.mark()
	seen, err := h.seenOn(ctx, engine, mark)
	if err != nil {
		return err
	}
	if seen.Timestamp > mark.Timestamp || seen.Snapshot > mark.Snapshot {
		return fault.New(fault.Refused, "the catalogue (timestamp %d, snapshot %d) is older than one this swarm has seen (timestamp %d, snapshot %d)",
			mark.Timestamp, mark.Snapshot, seen.Timestamp, seen.Snapshot)
	}
	return nil
}

// seenOn asks a server once for each catalogue, or a few times when several ask at
// the same moment: a slow server must not keep the others waiting.
func (h *shelf) seenOn(ctx context.Context, engine *deployer.Engine, mark deployer.CatalogueMark) (deployer.CatalogueMark, error) {
	key := fmt.Sprint(engine.Server, mark)
	h.mu.Lock()
	seen, known := h.seen[key]
	h.mu.Unlock()
	if known {
		return seen, nil
	}
	seen, err := engine.Seen(ctx, mark)
	if err != nil {
		return seen, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[key] = seen
	return seen, nil
}
