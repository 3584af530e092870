// Package engine starts and stops a private Docker engine with a swarm, for the
// tests and for `galley demo`.
//
// A private engine lives in a PID, mount and network namespace of its own, and
// its /run and /etc/docker are its own too: it reads no daemon.json, finds no
// system containerd, and shares no socket, bridge or firewall rule with an engine
// that the machine already runs. The first process of the PID namespace is the
// supervisor: when it dies the kernel ends dockerd, containerd, every shim and
// every container with it, and takes the mounts, the links and the firewall of the
// engine along. The supervisor in turn dies with its owner. What can outlive both,
// files and empty cgroups, carries the engine's id and is removed by Close, or by
// Sweep after an owner that was killed.
//
// The package refuses to touch an engine that it did not start, to change the
// host's firewall, and to give the engine a way out of the machine: there is no
// default route, only a link on which the host can offer a registry.
package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// Marker begins the name of everything that an engine leaves visible on the host:
// its state directory, its cgroup and, shortened, its link.
const Marker = "galley-engine-"

const (
	readyTimeout = 90 * time.Second
	swarmTimeout = 60 * time.Second
	closeTimeout = 60 * time.Second
	// noStorage is what every dockerd logs, last, when its storage driver fails.
	noStorage    = "error initializing graphdriver"
	pollInterval = 20 * time.Millisecond
	maxSocket    = 104 // the shortest sun_path among the systems Go runs on
)

// Options says what engine to start. The zero value is an engine without a swarm.
type Options struct {
	// Dir is the state root, which Close removes; it must not exist or be empty,
	// and must not lie under /run, /etc or /var/lib,
	// which the engine has of its own. Default: a fresh directory in os.TempDir().
	Dir string
	// Insecure lists registries, as host:port or CIDR, that are asked over plain
	// http. The engine's link to the host is always among them, with any port.
	Insecure []string
	// Swarm asks for an active swarm of one manager.
	Swarm bool
	// Log receives one line per step. Default: none.
	Log io.Writer
	// Dockerd is the daemon's path. Default: DockerdEnv's, else dockerd from PATH or the
	// sbin directories.
	// What it starts is looked for beside it first: docker-proxy must be of its version.
	Dockerd string
}

// Engine is a running private engine. Close must be called.
type Engine struct {
	rec    record
	init   *supervisor
	net    subnet
	socket string
	arch   string
	// version is the daemon's own, api the highest version of its API.
	version, api string

	mu     sync.Mutex
	closed bool
}

// Host is the engine's address as the docker client wants it: "unix:///…/sock".
func (e *Engine) Host() string { return "unix://" + e.socket }

// Socket is the path of the engine's socket.
func (e *Engine) Socket() string { return e.socket }

// Dir is the engine's state root.
func (e *Engine) Dir() string { return e.rec.Dir }

// ID is the part of the engine's names that no other engine shares.
func (e *Engine) ID() string { return e.rec.ID }

// BridgeAddr is the host's IPv4 address on the link into the engine's network
// namespace. A registry that listens on it, on any port, is reached by the engine.
// A host whose firewall drops INPUT must let the link in; this package does not.
func (e *Engine) BridgeAddr() string { return e.net.host.String() }

// NodeAddr is the engine's own IPv4 address on that link, and the one its swarm
// advertises: published ports answer there.
func (e *Engine) NodeAddr() string { return e.net.node.String() }

// Arch is the engine's architecture in Go's words, as in "amd64".
func (e *Engine) Arch() string { return e.arch }

// Version is the engine's own version, as in "20.10.24", and the highest version of
// the API that it speaks, as in "1.41".
func (e *Engine) Version() (engine, api string) { return e.version, e.api }

// Balances reports whether the kernel can balance a swarm service's load (IPVS).
// Where it cannot, services run and answer at tasks.NAME, at DNSRR names and at ports
// published in host mode, but not at their virtual address or through the ingress
// network. The module is loaded for the first service; before, the answer may be no.
func (e *Engine) Balances() bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d/net/ip_vs", e.rec.Init.PID))
	return err == nil
}

// LogTail returns up to n last lines of the daemon's log.
func (e *Engine) LogTail(n int) string { return logTail(e.rec.Dir, n) }

// Client returns a client of the engine, which the caller closes.
func (e *Engine) Client() (*client.Client, error) { return newClient(e.Host()) }

// Start starts a private engine and waits until it answers, and with Options.Swarm
// until the node is a ready manager. A daemon that finds no storage driver for the
// state root gets a second try with vfs. On error nothing is left behind.
func Start(ctx context.Context, opts Options) (*Engine, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	dockerd, err := chosenDockerd(opts.Dockerd)
	if err != nil {
		return nil, fmt.Errorf("starting a private engine: %w", err)
	}
	opts.Dockerd = dockerd
	e, err := start(ctx, opts, "")
	if err == nil || !strings.Contains(err.Error(), noStorage) {
		return e, err
	}
	return start(ctx, opts, "vfs")
}

func start(ctx context.Context, opts Options, driver string) (*Engine, error) {
	e, err := prepare(opts)
	if err != nil {
		return nil, err
	}
	if err := e.bringUp(ctx, opts, driver); err != nil {
		tail := e.LogTail(12)
		if cerr := e.Close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
		if tail != "" {
			err = fmt.Errorf("%w; the daemon's last lines:\n%s", err, tail)
		}
		return nil, fmt.Errorf("starting a private engine: %w", err)
	}
	return e, nil
}

// prepare makes the state root and the record that Sweep needs, before anything
// else exists.
func prepare(opts Options) (*Engine, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	dir, err := makeDir(opts.Dir, id)
	if err != nil {
		return nil, err
	}
	e := &Engine{socket: filepath.Join(dir, "sock")}
	if e.rec, err = newRecord(id, dir); err == nil {
		err = e.rec.write()
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return e, nil
}

func (e *Engine) bringUp(ctx context.Context, opts Options, driver string) error {
	step := func(format string, args ...any) {
		if opts.Log != nil {
			fmt.Fprintf(opts.Log, "engine %s: "+format+"\n", append([]any{e.rec.ID}, args...)...)
		}
	}
	var err error
	if e.net, err = freeSubnet(ctx); err != nil {
		return err
	}
	step("starting in %s", e.rec.Dir)
	if e.init, err = spawn(e.rec, supervise, daemonArgs(e, opts, driver)); err != nil {
		return err
	}
	e.rec.Init = e.init.process
	if err := e.rec.write(); err != nil {
		return err
	}
	if e.net, err = addLink(ctx, e.rec.Link, e.rec.Init.PID, e.net); err != nil {
		return err
	}
	step("link %s, host %s, engine %s", e.rec.Link, e.BridgeAddr(), e.NodeAddr())
	if err := e.init.release(e.net, ""); err != nil {
		return err
	}
	if err := e.waitReady(ctx); err != nil {
		return err
	}
	step("ready at %s", e.Host())
	if !opts.Swarm {
		return nil
	}
	if err := e.initSwarm(ctx); err != nil {
		return err
	}
	step("swarm active")
	return nil
}

// daemonArgs is the daemon's command line. Everything but the data and the socket
// stays at its default place under /run, which is private to the engine and short
// enough for the sockets below it.
func daemonArgs(e *Engine, opts Options, driver string) []string {
	args := []string{
		opts.Dockerd,
		"--data-root", filepath.Join(e.rec.Dir, "data"),
		"--host", e.Host(),
		"--host", "unix:///run/docker.sock", // for services that mount it, as proxies do
		"--cgroup-parent", "/" + e.rec.Cgroup,
		"--exec-opt", "native.cgroupdriver=cgroupfs",
	}
	for _, r := range opts.Insecure {
		args = append(args, "--insecure-registry", r)
	}
	if driver != "" {
		args = append(args, "--storage-driver", driver)
	}
	return args
}

func newID() (string, error) {
	b := make([]byte, 4)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("choosing an engine id: %w", err)
	}
	return hex.EncodeToString(b), nil
}

func makeDir(dir, id string) (string, error) {
	if dir == "" {
		dir = filepath.Join(os.TempDir(), Marker+id)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("making the engine's directory: %w", err)
	}
	for _, hidden := range []string{"/run/", "/var/run/", "/etc/", "/proc/", "/sys/", "/var/lib/"} {
		if strings.HasPrefix(dir+"/", hidden) {
			return "", fmt.Errorf("making the engine's directory %q: the engine cannot see %s, choose another place", dir, hidden)
		}
	}
	if n := len(dir) + len("/sock"); n > maxSocket {
		return "", fmt.Errorf("making the engine's directory %q: the socket's path has %d bytes, at most %d fit", dir, n, maxSocket)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("making the engine's directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("making the engine's directory: %w", err)
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("making the engine's directory %q: it is not empty, and closing the engine would remove it", dir)
	}
	return dir, nil
}
