package deployer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// requestTimeout bounds one request to an engine. Watching is many requests.
const requestTimeout = 30 * time.Second

// DefaultServer is the server that means whatever docker itself would talk to:
// DOCKER_HOST, else the local socket.
const DefaultServer = "default"

// Engine is a connection to a swarm manager.
type Engine struct {
	// Server is the name it goes by, of a docker context or DefaultServer.
	Server string
	// NodeID is the node the connection ends at. Other nodes' containers can be looked
	// into where a way to them is known (Connect).
	NodeID string
	// NodeName is that node's host name.
	NodeName string
	// Cluster is the swarm's ID.
	Cluster string
	// Architecture is the node's, as the engine names it ("x86_64").
	Architecture string

	// Warnings are what Connect had to go round, one line each.
	Warnings []string

	api    *client.Client
	steady *steadyTransport
	roads  *roads // nil where there is but one way
	fleet  *fleet
	// How a lock is kept alive and believed; the constants when zero.
	beatEvery, staleAfter time.Duration
	// looked, where a test sets it, is told what each look of a watch saw.
	looked func(w *watch, seen map[string]Observation, now time.Time)
}

func open(ctx context.Context, server, where string, options []client.Opt) (*Engine, error) {
	return openOn(ctx, server, where, options, nil)
}

// openOn opens an engine whose connections go by roads, or by the options alone.
func openOn(ctx context.Context, server, where string, options []client.Opt, by *roads) (*Engine, error) {
	transport := &http.Transport{MaxIdleConns: 6, IdleConnTimeout: 30 * time.Second}
	options = append([]client.Opt{client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect})}, options...)
	api, err := client.NewClientWithOpts(append(options, client.WithAPIVersionNegotiation())...)
	if err != nil {
		err = fmt.Errorf("connecting to server %q: %w", server, err)
		return nil, fault.Hint(err, "expected an address like unix:///var/run/docker.sock or ssh://user@host")
	}
	if by != nil || strings.HasPrefix(where, "ssh://") {
		transport.Proxy = nil // what is dialled is the engine itself
	}
	requests := install(transport)
	requests.roads = by
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := api.Info(ctx)
	if err != nil {
		api.Close()
		err = fmt.Errorf("no engine answers for server %q at %s: %w", server, where, cause(err))
		return nil, fault.Hint(err, "is the engine running, and may this user reach it?")
	}
	if info.Swarm.LocalNodeState != swarm.LocalNodeStateActive || !info.Swarm.ControlAvailable {
		api.Close()
		err = fmt.Errorf("the engine of server %q at %s is no swarm manager (swarm is %s)", server, where, swarmState(info.Swarm))
		return nil, fault.Hint(err, "docker swarm init on that machine makes it one; for a worker, name a manager")
	}
	if isLeaderless(info.Swarm.Error) {
		api.Close()
		err = fmt.Errorf("the manager of server %q at %s is cut off: %w (%s)", server, where, errNoLeader, oneLine(info.Swarm.Error))
		return nil, fault.Hint(err, "docker node ls on another manager tells which are down; after the death of one it takes half a minute until another leads")
	}
	e := &Engine{Server: server, NodeID: info.Swarm.NodeID, NodeName: info.Name, Architecture: info.Architecture, api: api, steady: requests, roads: by, fleet: &fleet{}}
	if c := info.Swarm.Cluster; c != nil {
		e.Cluster = c.ID
	}
	return e, nil
}

// Close ends the connection, and those to the swarm's other nodes.
func (e *Engine) Close() error {
	e.fleet.close()
	if e.steady != nil {
		e.steady.inner.CloseIdleConnections()
	}
	return e.api.Close()
}

func swarmState(info swarm.Info) string {
	if info.LocalNodeState == swarm.LocalNodeStateActive {
		return "active, but the node is a worker"
	}
	return string(info.LocalNodeState)
}

// cause drops the client's advice from a connection error: ours is better.
func cause(err error) error {
	if client.IsErrConnectionFailed(err) {
		return errConnection
	}
	return err
}

// connection finds how to reach a server: the default one from the environment,
// others from the docker context of that name.
func connection(server string) (options []client.Opt, where string, err error) {
	if server == "" || server == DefaultServer {
		where = os.Getenv(client.EnvOverrideHost)
		if where == "" {
			where = client.DefaultDockerHost
		}
		if strings.HasPrefix(where, "ssh://") {
			return overSSH(where)
		}
		return []client.Opt{client.FromEnv}, where, nil
	}
	where, err = contextHost(server)
	if err != nil {
		return nil, "", err
	}
	if strings.HasPrefix(where, "ssh://") {
		return overSSH(where)
	}
	return []client.Opt{client.WithHost(where)}, where, nil
}

func overSSH(where string) ([]client.Opt, string, error) {
	helper, err := connhelper.GetConnectionHelper(where)
	if err != nil {
		return nil, "", fmt.Errorf("reading the server's address: %w", err)
	}
	return []client.Opt{
		client.WithHost(helper.Host),
		client.WithDialContext(helper.Dialer),
	}, where, nil
}

// ContextFile is where the docker CLI keeps a docker context:
// contexts/meta/<sha256 of the name>/meta.json in its config directory.
func ContextFile(name string) (string, error) {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the docker contexts: %w", err)
		}
		dir = filepath.Join(home, ".docker")
	}
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"), nil
}

// contextHost reads a docker context's address.
func contextHost(name string) (string, error) {
	file, err := ContextFile(name)
	if err != nil {
		return "", err
	}
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("there is no docker context %q for that server", name)
		return "", fault.Hint(err, "galley server add %s ssh://user@host makes it; --server %s is this machine", name, DefaultServer)
	}
	if err != nil {
		return "", fmt.Errorf("reading docker context %q: %w", name, err)
	}
	defer f.Close()
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.NewDecoder(io.LimitReader(f, 1<<20)).Decode(&meta); err != nil {
		return "", fmt.Errorf("reading docker context %q: %w", name, err)
	}
	host := meta.Endpoints["docker"].Host
	if host == "" {
		return "", fmt.Errorf("docker context %q has no docker endpoint", name)
	}
	return host, nil
}
