package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"golang.org/x/sync/errgroup"
)

// ClusterOptions says what cluster to start. The zero value is three managers and
// two workers.
type ClusterOptions struct {
	// Managers and Workers are how many there are; both zero means three and two.
	Managers, Workers int
	// Log receives one line per step. Default: none.
	Log io.Writer
	// Dockerd is as in Options.
	Dockerd string
}

// heartbeat is how often a node tells its manager that it lives; after three times
// that it is down for the swarm. Swarm's own default is 5 seconds.
const heartbeat = 2 * time.Second

// Cluster is a swarm of several private engines on one machine. Each is an Engine
// in namespaces of its own; they reach each other, and a registry that the host
// offers on BridgeAddr, through a switch in a namespace of its own: the host's
// firewall is neither asked nor changed. Close must be called. Kill, Restart, Cut and
// Heal are for one goroutine.
type Cluster struct {
	net   netSwitch
	opts  ClusterOptions
	nodes []*Node

	mu     sync.Mutex
	closed bool
}

// Node is one engine of a cluster. It may be dead.
type Node struct {
	*Engine
	// Name is the node's host name in the swarm: "manager1", "worker2".
	Name string
	// Manager says that it was started as one.
	Manager bool
	// SwarmID is the node's ID in the swarm.
	SwarmID string

	port string // its link's end in the switch
}

// StartCluster starts a cluster and waits until every node is ready. On error
// nothing is left behind.
func StartCluster(ctx context.Context, opts ClusterOptions) (*Cluster, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	if findTool("nsenter", "") == "" {
		return nil, errors.New("a cluster of private engines needs nsenter: on Debian, apt-get install util-linux")
	}
	if opts.Managers == 0 && opts.Workers == 0 {
		opts.Managers, opts.Workers = 3, 2
	}
	if opts.Managers < 1 || opts.Managers+opts.Workers > 13 {
		return nil, fmt.Errorf("starting a cluster of %d managers and %d workers: expected a manager, and at most 13 nodes", opts.Managers, opts.Workers)
	}
	var err error
	if opts.Dockerd, err = chosenDockerd(opts.Dockerd); err != nil {
		return nil, fmt.Errorf("starting a cluster: %w", err)
	}
	c := &Cluster{opts: opts}
	err = c.bringUp(ctx)
	if err == nil {
		return c, nil
	}
	var tails strings.Builder
	for _, n := range c.nodes {
		fmt.Fprintf(&tails, "\n%s: %s", n.Name, n.LogTail(6))
	}
	err = errors.Join(err, c.Close())
	return nil, fmt.Errorf("starting a cluster: %w; the daemons' last lines:%s", err, tails.String())
}

func (c *Cluster) bringUp(ctx context.Context) error {
	e, err := prepare(Options{})
	if err != nil {
		return err
	}
	c.net.rec = e.rec
	if err := startSwitch(ctx, &c.net); err != nil {
		return err
	}
	c.say("switch %s, host %s", c.net.rec.ID, c.BridgeAddr())
	for i := range c.opts.Managers + c.opts.Workers {
		n, err := c.newNode(i)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	if err := c.each(ctx, c.nodes, c.boot); err != nil {
		return err
	}
	c.say("every daemon answers")
	if err := c.formSwarm(ctx); err != nil {
		return err
	}
	c.say("swarm active")
	return nil
}

func (c *Cluster) newNode(i int) (*Node, error) {
	n := &Node{Name: fmt.Sprintf("worker%d", i-c.opts.Managers+1), port: fmt.Sprintf("port%d", i)}
	if i < c.opts.Managers {
		n.Name, n.Manager = fmt.Sprintf("manager%d", i+1), true
	}
	var err error
	if n.Engine, err = prepare(Options{}); err != nil {
		return nil, err
	}
	n.Engine.net = c.net.subnet(i)
	return n, nil
}

// each does something with several nodes at once.
func (c *Cluster) each(ctx context.Context, nodes []*Node, do func(context.Context, *Node) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		group.Go(func() error {
			if err := do(ctx, n); err != nil {
				return fmt.Errorf("node %s: %w", n.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// boot starts a node's daemon, for the first time or again, and waits until it
// answers. A daemon that finds no storage driver is tried again with vfs.
func (c *Cluster) boot(ctx context.Context, n *Node) error {
	err := c.bootWith(ctx, n, "")
	if err == nil || !strings.Contains(n.LogTail(3), noStorage) {
		return err
	}
	if err := c.end(ctx, n); err != nil {
		return err
	}
	return c.bootWith(ctx, n, "vfs")
}

func (c *Cluster) bootWith(ctx context.Context, n *Node, driver string) (err error) {
	args := daemonArgs(n.Engine, Options{Dockerd: c.opts.Dockerd}, driver)
	if n.init, err = spawn(n.rec, supervise, args); err != nil {
		return err
	}
	n.rec.Init = n.init.process
	if err := n.rec.write(); err != nil {
		return err
	}
	if err := c.net.addPort(ctx, n.port, n.rec.Init.PID); err != nil {
		return err
	}
	if err := n.init.release(n.Engine.net, n.Name); err != nil {
		return err
	}
	return n.waitReady(ctx)
}

// end kills a node's daemon with all its containers, and waits until they and the
// node's port are gone.
func (c *Cluster) end(ctx context.Context, n *Node) error {
	_ = n.init.gate.Close()
	if err := kill(n.rec.Init); err != nil {
		return err
	}
	<-n.init.done
	return c.net.dropPort(ctx, n.port)
}

// Nodes are all nodes, managers first.
func (c *Cluster) Nodes() []*Node { return slices.Clone(c.nodes) }

// Node is the node of a name, nil without one.
func (c *Cluster) Node(name string) *Node {
	for _, n := range c.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// BridgeAddr is the host's IPv4 address on the nodes' network: a registry that
// listens on it, on any port, is reached by all of them over plain http.
func (c *Cluster) BridgeAddr() string { return c.net.host.String() }

// Subnet is the nodes' network.
func (c *Cluster) Subnet() netip.Prefix { return c.net.prefix }

// Kill ends a node as a power cut does: its daemon and its containers end at once,
// and nobody answers at its address. What it stored stays, for Restart.
func (c *Cluster) Kill(n *Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := c.end(ctx, n); err != nil {
		return fmt.Errorf("killing node %s: %w", n.Name, err)
	}
	return nil
}

// Restart starts a node that was killed, and waits until the swarm has it back.
func (c *Cluster) Restart(ctx context.Context, n *Node) error {
	if !n.Dead() {
		return fmt.Errorf("restarting node %s: it runs", n.Name)
	}
	if err := c.boot(ctx, n); err != nil {
		return fmt.Errorf("restarting node %s: %w", n.Name, err)
	}
	if err := n.awaitActive(ctx); err != nil {
		return fmt.Errorf("restarting node %s: %w", n.Name, err)
	}
	return c.awaitNodes(ctx, []*Node{n})
}

// Dead tells a node that was killed and not started again.
func (n *Node) Dead() bool { return !n.rec.Init.alive() }

// Cut takes a node off the network, with its daemon and its containers running on;
// its socket still answers.
func (c *Cluster) Cut(n *Node) error { return c.setPort(n, "down") }

// Heal brings a node that was cut back onto the network. The swarm takes a while to
// notice: Settled waits for that.
func (c *Cluster) Heal(n *Node) error { return c.setPort(n, "up") }

func (c *Cluster) setPort(n *Node, state string) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := c.net.ip(ctx, "link", "set", n.port, state); err != nil {
		return fmt.Errorf("setting the link of node %s %s: %w", n.Name, state, err)
	}
	return nil
}

// Settled waits until the swarm counts every node as ready and every manager as
// reachable.
func (c *Cluster) Settled(ctx context.Context) error { return c.awaitNodes(ctx, c.nodes) }

// Leader is the manager that leads the swarm now. After the death of one it takes 10
// to 20 seconds until there is another: swarm does not let that be set.
func (c *Cluster) Leader(ctx context.Context) (*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, swarmTimeout)
	defer cancel()
	var leader *Node
	err := poll(ctx, func(ctx context.Context) error {
		listed, err := c.list(ctx)
		if err != nil {
			return err
		}
		for _, l := range listed {
			if l.ManagerStatus != nil && l.ManagerStatus.Leader {
				leader = c.Node(l.Description.Hostname)
			}
		}
		if leader == nil {
			return errors.New("the swarm has no leader")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the swarm's leader: %w", err)
	}
	return leader, nil
}

// list is the node list of the first manager that can tell: one that is cut off has
// no leader to ask.
func (c *Cluster) list(ctx context.Context) ([]swarm.Node, error) {
	err := errors.New("no manager runs")
	for _, n := range c.nodes {
		if !n.Manager || n.Dead() {
			continue
		}
		var listed []swarm.Node
		if listed, err = n.list(ctx); err == nil {
			return listed, nil
		}
	}
	return nil, err
}

func (n *Node) list(ctx context.Context) ([]swarm.Node, error) {
	client, err := n.Client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return client.NodeList(ctx, swarm.NodeListOptions{})
}

// Close ends every node and removes all that the cluster made.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	var group errgroup.Group
	for _, n := range c.nodes {
		group.Go(n.Engine.Close)
	}
	err := group.Wait()
	if c.net.rec.ID != "" {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		err = errors.Join(err, c.net.close(ctx))
	}
	c.closed = err == nil
	return err
}

// LogTail returns up to n last lines of every daemon's log.
func (c *Cluster) LogTail(n int) string {
	var text strings.Builder
	for _, node := range c.nodes {
		fmt.Fprintf(&text, "== %s ==\n%s\n", node.Name, node.LogTail(n))
	}
	return text.String()
}

func (c *Cluster) say(format string, args ...any) {
	if c.opts.Log != nil {
		fmt.Fprintf(c.opts.Log, "cluster: "+format+"\n", args...)
	}
}

// SharedCluster is one cluster for all tests of a package, as Shared is one engine.
type SharedCluster struct {
	Options ClusterOptions

	once    sync.Once
	cluster *Cluster
	err     error
}

// Get returns the package's cluster; it skips or fails the test as StartT does.
func (s *SharedCluster) Get(t TB) *Cluster {
	t.Helper()
	require(t, Available())
	s.once.Do(func() {
		if s.err = Sweep(context.Background(), ""); s.err == nil {
			s.cluster, s.err = StartCluster(context.Background(), s.Options)
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

// Main runs the package's tests and closes the cluster, and returns the exit code.
func (s *SharedCluster) Main(m interface{ Run() int }) int {
	code := m.Run()
	if s.cluster == nil {
		return code
	}
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the ends of the daemons' logs:\n%s", s.cluster.LogTail(4))
	}
	if err := s.cluster.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
