package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

const (
	// nodesFile lies beside the env files of a server. No domain is named so: it
	// has no .env.
	nodesFile = "nodes"
	// What a nodes file may hold.
	maxNodesFile = 64 << 10
	maxNodes     = 100
)

// Nodes lists the ways to the nodes of a server's swarm that servers/<server>/nodes
// names: docker contexts and addresses (unix://, tcp://, ssh://), one a line; what
// follows a # is a comment. There is none without the file. A line that is neither is an
// error that names it.
func (d Dir) Nodes(server string) ([]string, error) {
	path := filepath.Join(d.servers(), server, nodesFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the server's nodes: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNodesFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the server's nodes: %w", err)
	}
	if len(text) > maxNodesFile {
		return nil, fault.New(fault.Usage, "reading the server's nodes: %q is larger than %d bytes", path, maxNodesFile)
	}
	nodes, err := parseNodes(string(text))
	if err != nil {
		return nil, fault.Hint(fault.New(fault.Usage, "%s:%w", path, err), "write a docker context's name or an address like ssh://user@host on each line")
	}
	return nodes, nil
}

func parseNodes(text string) ([]string, error) {
	var nodes []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		name := strings.TrimSpace(line)
		switch {
		case name == "" || slices.Contains(nodes, name):
			continue
		case !isNodeName(name):
			return nil, fmt.Errorf("%d: %q is neither a docker context nor an address", number, clip(name, 100))
		case len(nodes) == maxNodes:
			return nil, fmt.Errorf("%d: more than %d nodes", number, maxNodes)
		}
		nodes = append(nodes, name)
	}
	return nodes, nil
}

func isNodeName(name string) bool {
	scheme, rest, address := strings.Cut(name, "://")
	if !address {
		return len(name) <= 128 && serverForm.MatchString(name)
	}
	return rest != "" && slices.Contains([]string{"unix", "tcp", "ssh"}, scheme) && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// fleet is what is known of a swarm's other nodes. They are asked when somebody
// wants to know, and those that did not answer again the next time.
type fleet struct {
	mu      sync.Mutex
	ways    []way
	members map[string]*client.Client // by node ID
	missing map[string]string         // by a way's name, why there is no member
	tried   map[string]bool           // ways that need not be asked again
}

// nodeTimeout is how long a node may take to say who it is, and how long to tell of
// its containers.
const nodeTimeout = 10 * time.Second

// NotReached is a node, or a way to one, whose containers could not be looked at.
type NotReached struct {
	// Name is the node's host name, or the way's as the operator wrote it.
	Name string `json:"name"`
	// Requested counts the stack's containers on it; 0 for a way that led nowhere.
	Requested int    `json:"requested"`
	Reason    string `json:"reason"`
}

// begin sets the ways to the nodes, of which the engine's own is connected.
func (f *fleet) begin(ways []way, home int) {
	f.ways = ways
	f.members, f.missing = map[string]*client.Client{}, map[string]string{}
	f.tried = map[string]bool{ways[home].name: true}
}

func (f *fleet) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, api := range f.members {
		_ = api.Close()
	}
}

// survey connects to the nodes that are named beside the server, all at once, and
// keeps those that are in its swarm, by node ID.
func (e *Engine) survey(ctx context.Context) (inSwarm map[string]swarm.Node, err error) {
	e.fleet.mu.Lock()
	defer e.fleet.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	listed, err := e.api.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the swarm's nodes: %w", err)
	}
	inSwarm = map[string]swarm.Node{}
	for _, n := range listed {
		inSwarm[n.ID] = n
	}
	answers := make([]surveyed, len(e.fleet.ways))
	var asking sync.WaitGroup
	for i, w := range e.fleet.ways {
		if e.fleet.tried[w.name] {
			continue
		}
		asking.Go(func() { answers[i] = ask(ctx, w) })
	}
	asking.Wait()
	for i, w := range e.fleet.ways {
		if !e.fleet.tried[w.name] {
			e.admit(w, answers[i], inSwarm)
		}
	}
	return inSwarm, nil
}

// surveyed is what an engine says of itself.
type surveyed struct {
	api  *client.Client
	info swarm.Info
	err  error
}

func ask(ctx context.Context, w way) (s surveyed) {
	s.api, s.err = client.NewClientWithOpts(append(slices.Clone(w.options), client.WithAPIVersionNegotiation())...)
	if s.err != nil {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	info, err := s.api.Info(ctx)
	s.info, s.err = info.Swarm, err
	if err != nil {
		_ = s.api.Close()
	}
	return s
}

// admit takes an engine among the swarm's nodes, and a manager among the roads that
// the connection may go by. One of another swarm is refused.
func (e *Engine) admit(w way, s surveyed, inSwarm map[string]swarm.Node) {
	delete(e.fleet.missing, w.name)
	if s.err != nil {
		e.fleet.missing[w.name] = whyNot(s.err)
		return
	}
	id := s.info.NodeID
	if _, ok := inSwarm[id]; !ok || id == "" {
		e.fleet.missing[w.name] = fmt.Sprintf("refused: it is no node of the swarm of server %q", e.Server)
		_ = s.api.Close()
		return
	}
	e.fleet.tried[w.name] = true
	if _, known := e.fleet.members[id]; known || id == e.NodeID {
		_ = s.api.Close()
		return
	}
	e.fleet.members[id] = s.api
	if !s.info.ControlAvailable || e.roads == nil {
		return
	}
	if dial, err := w.dialer(); err == nil {
		e.roads.add(road{name: w.name, dial: dial})
	}
}

// whyNot is why an engine did not answer, in one line.
func whyNot(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", nodeTimeout)
	}
	return oneLine(cause(err).Error())
}

// at is the connection to a node's own engine, nil when there is none.
func (e *Engine) at(node string) *client.Client {
	if node == e.NodeID && e.roads.atHome() {
		return e.api
	}
	e.fleet.mu.Lock()
	defer e.fleet.mu.Unlock()
	return e.fleet.members[node]
}

// Reached are the swarm's nodes whose own engines can be asked, IDs by host name.
func (e *Engine) Reached(ctx context.Context) (map[string]string, error) {
	inSwarm, err := e.survey(ctx)
	if err != nil {
		return nil, err
	}
	reached := map[string]string{}
	for id, n := range inSwarm {
		if e.at(id) != nil {
			reached[cmp.Or(printable(n.Description.Hostname), id)] = id
		}
	}
	return reached, nil
}

// OutOfReach tells of the swarm's other nodes why they cannot be asked, by host name.
func (e *Engine) OutOfReach(ctx context.Context) (map[string]string, error) {
	inSwarm, err := e.survey(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for id, n := range inSwarm {
		if host := cmp.Or(printable(n.Description.Hostname), id); e.at(id) == nil {
			out[host] = e.notReached(host)
		}
	}
	return out, nil
}

// notReached tells why there is no connection to a node: what the way of that name
// met, else what the others did.
func (e *Engine) notReached(host string) string {
	e.fleet.mu.Lock()
	defer e.fleet.mu.Unlock()
	if reason, ok := e.fleet.missing[host]; ok {
		return reason
	}
	if len(e.fleet.ways) == 0 {
		return "no way to it is known"
	}
	return "no way to it is known, or it did not answer"
}

// astray lists the ways that led to no node of the swarm, but for those of a node that
// is told of already.
func (e *Engine) astray(told []NotReached) []NotReached {
	e.fleet.mu.Lock()
	defer e.fleet.mu.Unlock()
	var list []NotReached
	for _, name := range sortedKeys(e.fleet.missing) {
		if !slices.ContainsFunc(told, func(n NotReached) bool { return n.Name == name }) {
			list = append(list, NotReached{Name: name, Reason: e.fleet.missing[name]})
		}
	}
	return list
}

// scout connects to the swarm's other nodes while something else goes on, so that a
// deploy whose manager dies knows where to go. stop ends it.
func (e *Engine) scout(ctx context.Context) (stop func()) {
	if len(e.fleet.ways) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = e.survey(ctx) // what could not be reached is asked again when it matters
	}()
	return func() { cancel(); <-done }
}

// sayMoved tells that the connection went to another manager.
func (d *deploy) sayMoved() {
	for _, name := range d.engine.roads.moved() {
		d.say("watch", "the manager does not answer; the connection moved to node %s", name)
	}
}
