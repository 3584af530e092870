package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// DefaultTimeout is how long one of several servers may take to answer.
const DefaultTimeout = 10 * time.Second

// grace is how long an answer may be on its way when its time is over.
const grace = 200 * time.Millisecond

// Look is what one engine says of itself.
type Look struct {
	// Name is as the operator wrote it: a docker context, an address, or
	// deployer.DefaultServer. Address is where that is, "" when nothing says.
	Name, Address string
	// Err is why the engine does not answer, nil when it does.
	Err  error
	Info system.Info
	// API is the highest version of the API that the engine speaks; Spoken is what it
	// was spoken to in.
	API, Spoken string
	// Networks are those that the engine knows. NetworksErr is why they are not known.
	Networks    []network.Summary
	NetworksErr error
	// Skew is how far the engine's clock is ahead of this machine's, to within
	// Uncertain. HasSkew is false when the engine's time cannot be read.
	Skew, Uncertain time.Duration
	HasSkew         bool
	// Facts are what was read on the machine itself, nil where that was not possible,
	// for the reason in FactsErr.
	Facts    *Facts
	FactsErr error

	api *client.Client
}

// Host is the node's own name, else how the operator calls it.
func (l *Look) Host() string {
	if l.Info.Name != "" {
		return l.Info.Name
	}
	return l.Name
}

// manages tells whether the engine can answer for its swarm.
func (l *Look) manages() bool {
	return l.Err == nil && l.Info.Swarm.ControlAvailable && l.Info.Swarm.LocalNodeState == swarm.LocalNodeStateActive && l.Info.Swarm.Error == ""
}

func (l *Look) close() {
	if l.api != nil {
		_ = l.api.Close()
	}
}

// within runs a look that may hang, whatever its context says, and gives up at its
// deadline: an ssh program that cannot connect knows of none. late gets a value that
// came too late.
func within[T any](ctx context.Context, limit time.Duration, run func(context.Context) T, late func(T)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	answer := make(chan T, 1)
	go func() {
		defer cancel()
		answer <- run(ctx)
	}()
	select {
	case value := <-answer:
		return value, nil
	case <-ctx.Done():
	}
	select {
	case value := <-answer: // it ended, and ended the context
		return value, nil
	case <-time.After(grace):
	}
	go func() { late(<-answer) }()
	var none T
	return none, context.Cause(ctx)
}

// lookAt asks an engine what it is, within a limit. The caller closes the look. more is
// asked while the time lasts, after the engine has answered.
func lookAt(ctx context.Context, name string, limit time.Duration, more ...func(context.Context, *Look)) *Look {
	run := func(ctx context.Context) *Look {
		l := &Look{Name: name}
		if l.ask(ctx); l.Err == nil {
			var asking sync.WaitGroup
			for _, m := range more {
				asking.Go(func() { m(ctx, l) })
			}
			asking.Wait()
		}
		return l
	}
	l, err := within(ctx, limit, run, (*Look).close)
	if err != nil {
		l = &Look{Name: name, Err: err}
		if api, where, reachErr := deployer.Reach(name); reachErr == nil {
			l.Address = where
			_ = api.Close()
		}
	}
	if errors.Is(l.Err, context.DeadlineExceeded) && ctx.Err() == nil {
		l.Err = fault.Hint(fmt.Errorf("%s did not answer within %s", name, limit), "is the machine up, and may this user reach it?")
	}
	return l
}

func (l *Look) ask(ctx context.Context) {
	if l.api, l.Address, l.Err = deployer.Reach(l.Name); l.Err != nil {
		return
	}
	version, err := l.api.ServerVersion(ctx)
	if err == nil {
		l.API, l.Spoken = version.APIVersion, l.api.ClientVersion()
		err = l.info(ctx)
	}
	if err != nil {
		l.close()
		l.api = nil
		l.Err = unanswered(l.Name, l.Address, err)
	}
}

// info reads what the engine says of itself, over a connection that stands already:
// its clock is read at the middle of the time that the answer took.
func (l *Look) info(ctx context.Context) (err error) {
	asked := time.Now()
	if l.Info, err = l.api.Info(ctx); err != nil {
		return err
	}
	l.Uncertain = time.Since(asked) / 2
	if at, err := time.Parse(time.RFC3339Nano, l.Info.SystemTime); err == nil {
		l.Skew, l.HasSkew = at.Sub(asked.Add(l.Uncertain)), true
	}
	return nil
}

// unanswered is why an engine did not answer. What ssh wrote is inside of the error of
// the program that docker's client connects by.
func unanswered(name, address string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	where := name
	if name != address {
		where = fmt.Sprintf("%q at %s", name, address)
	}
	reason := "connection failed"
	if t, parseErr := parseSSH(address); parseErr == nil {
		_, words, _ := strings.Cut(err.Error(), "stderr=")
		if strings.Contains(err.Error(), fmt.Sprintf("exit status %d", sshFailed)) {
			return t.refusal(words)
		}
		reason = lastLine(words)
	} else if !client.IsErrConnectionFailed(err) {
		reason = strings.Join(strings.Fields(err.Error()), " ")
	}
	err = fmt.Errorf("no engine answers for %s: %s", where, reason)
	return fault.Hint(err, "is the engine running, and may this user reach it?")
}

// askNetworks reads the networks that the engine knows.
func askNetworks(ctx context.Context, l *Look) {
	l.Networks, l.NetworksErr = l.api.NetworkList(ctx, network.ListOptions{})
}

// askFacts reads what can be read on the machine itself.
func askFacts(ctx context.Context, l *Look) { l.Facts, l.FactsErr = readFacts(ctx, l) }

// Survey is what all the engines of a server say, and its swarm.
type Survey struct {
	Server string
	// Looks are at the server's own engine, and at those that its nodes file names.
	Looks []*Look
	// Nodes are the swarm's, as the first manager that answers lists them.
	Nodes    []swarm.Node
	NodesErr error
	// Images are of the swarm's services, each once. Stacks counts the stacks.
	Images []string
	Stacks int
	// NodesFileErr is why the nodes file could not be read.
	NodesFileErr error
}

// Own is the look at the server's own engine.
func (s *Survey) Own() *Look { return s.Looks[0] }

// Manager is the first look at an engine that can answer for the swarm, nil without one.
func (s *Survey) Manager() *Look {
	for _, l := range s.Looks {
		if l.manages() {
			return l
		}
	}
	return nil
}

// Close ends the connections.
func (s *Survey) Close() {
	for _, l := range s.Looks {
		l.close()
	}
}

// survey looks at a server and at the nodes that are named beside it, at the same
// time and each within limit.
func survey(ctx context.Context, dir deployer.Dir, name string, limit time.Duration, more ...func(context.Context, *Look)) *Survey {
	s := &Survey{Server: name}
	names := []string{name}
	nodes, err := dir.Nodes(name)
	s.NodesFileErr = err
	for _, n := range nodes {
		if n != name {
			names = append(names, n)
		}
	}
	s.Looks = make([]*Look, len(names))
	slots := make(chan struct{}, maxLooks)
	var looking sync.WaitGroup
	for i, n := range names {
		looking.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s.Looks[i] = lookAt(ctx, n, limit, more...)
		})
	}
	looking.Wait()
	if m := s.Manager(); m != nil {
		s.askSwarm(ctx, m, limit)
	}
	return s
}

// maxLooks bounds how many engines are asked at the same time.
const maxLooks = 16

// swarmSays is what a manager answers for its swarm.
type swarmSays struct {
	nodes    []swarm.Node
	services []swarm.Service
	err      error
}

func (s *Survey) askSwarm(ctx context.Context, m *Look, limit time.Duration) {
	answer, err := within(ctx, limit, func(ctx context.Context) (a swarmSays) {
		if a.nodes, a.err = m.api.NodeList(ctx, swarm.NodeListOptions{}); a.err == nil {
			a.services, a.err = m.api.ServiceList(ctx, swarm.ServiceListOptions{})
		}
		return a
	}, func(swarmSays) {})
	if err == nil {
		err = answer.err
	}
	if s.NodesErr = err; err != nil {
		return
	}
	s.Nodes = answer.nodes
	slices.SortFunc(s.Nodes, func(a, b swarm.Node) int {
		return strings.Compare(a.Description.Hostname+a.ID, b.Description.Hostname+b.ID)
	})
	stacks := map[string]bool{}
	for _, service := range answer.services {
		if stack := service.Spec.Labels[deployer.NamespaceLabel]; stack != "" {
			stacks[stack] = true
		}
		if c := service.Spec.TaskTemplate.ContainerSpec; c != nil && !slices.Contains(s.Images, c.Image) {
			s.Images = append(s.Images, c.Image)
		}
	}
	slices.Sort(s.Images)
	s.Stacks = len(stacks)
}

// nodeAddr is where a swarm's node says that it is; not valid where it does not say:
// a manager that was initialised on one machine alone is at 0.0.0.0.
func nodeAddr(n swarm.Node) netip.Addr {
	address := n.Status.Addr
	if m := n.ManagerStatus; m != nil {
		if at, err := netip.ParseAddrPort(m.Addr); err == nil && !at.Addr().IsUnspecified() {
			return at.Addr().Unmap()
		}
	}
	a, err := netip.ParseAddr(address)
	if err != nil || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.Unmap()
}
