package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// AddOptions say what server to add.
type AddOptions struct {
	Name string
	// Address is the engine's; "" takes up the docker context of that name.
	Address string
	// Nodes are the swarm's other nodes.
	Nodes []Node
	// HostKeys are fingerprints of ssh host keys ("SHA256:…") that the operator vouches
	// for.
	HostKeys []string
	// NoCheck writes without connecting. Replace lets a name have another address.
	NoCheck, Replace bool
	// Timeout bounds each engine's answer; a minute when zero.
	Timeout time.Duration
}

// Added is what adding a server did.
type Added struct {
	Server  string `json:"server"`
	Address string `json:"address"`
	// Contexts are the docker contexts that were written, Nodes the lines that were
	// added to the nodes file, HostKeys the fingerprints that ssh was told to trust.
	Contexts []string `json:"contexts"`
	Nodes    []string `json:"nodes"`
	HostKeys []string `json:"host_keys"`
	Folder   string   `json:"folder"`
	// Engine and API are the server's own engine's, Swarm its state in words; "" when it
	// was not asked.
	Engine string `json:"engine"`
	API    string `json:"api"`
	Swarm  string `json:"swarm"`
	// Notes are what is yet to be done, a line each.
	Notes []string `json:"notes"`
}

// fingerprintForm is what ssh-keygen -l prints of a key: SHA-256 in base64.
var fingerprintForm = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

func (o AddOptions) check() error {
	if o.Name != deployer.DefaultServer {
		if err := CheckName(o.Name); err != nil {
			return err
		}
	} else if o.Address != "" {
		return CheckName(o.Name) // it has no address of its own to choose
	}
	if o.Address != "" {
		if err := CheckAddress(o.Address); err != nil {
			return err
		}
	}
	if o.NoCheck && len(o.HostKeys) > 0 {
		return fault.New(fault.Usage, "a host key is checked by connecting, and --no-check connects to nothing")
	}
	for _, print := range o.HostKeys {
		if !fingerprintForm.MatchString(print) {
			return fault.Hint(fault.New(fault.Usage, "host key %q: expected a fingerprint like SHA256:…, of 43 characters behind the colon", print), "ssh-keygen -l -f FILE prints it")
		}
	}
	return nil
}

// Add makes a server known: a docker context, so that docker's own tools see it, and
// its folder. It connects before it writes either, so that a refusal leaves nothing
// behind but a host key that the operator vouched for. Adding again what is there
// changes nothing.
func Add(ctx context.Context, dir deployer.Dir, o AddOptions) (*Added, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	a := &Added{Server: o.Name, Contexts: []string{}, Nodes: []string{}, HostKeys: []string{}, Notes: []string{}, Folder: Folder(dir, o.Name)}
	writes, err := a.contexts(o)
	if err != nil {
		return nil, err
	}
	if !o.NoCheck {
		if err := a.connect(ctx, o); err != nil {
			return nil, err
		}
	}
	return a, a.write(dir, o, writes)
}

// contexts are the docker contexts that have to be written, and the server's address. A
// name that stands for another address is refused.
func (a *Added) contexts(o AddOptions) (writes []Context, err error) {
	wanted := []Context{{o.Name, o.Address}}
	for _, n := range o.Nodes {
		if n.Name != "" {
			wanted = append(wanted, Context{n.Name, n.Address})
		}
	}
	for i, c := range wanted {
		if c.Name == deployer.DefaultServer {
			if a.Address, err = addressOf(c.Name); err != nil {
				return nil, err
			}
			continue
		}
		for _, before := range wanted[:i] {
			if before.Name == c.Name && before.Host != c.Host {
				return nil, fault.New(fault.Usage, "%q is given two addresses: %s and %s", c.Name, before.Host, c.Host)
			}
		}
		have, err := readContext(c.Name)
		if err != nil {
			return nil, err
		}
		write, err := settle(&c, have, o.Replace)
		if err != nil {
			return nil, err
		}
		if write {
			writes = append(writes, c)
		}
		if i == 0 {
			a.Address = c.Host
		}
	}
	return writes, nil
}

// settle decides whether a context has to be written, and fills in the address of one
// that is taken up.
func settle(c *Context, have *metaFile, replace bool) (write bool, err error) {
	switch {
	case have == nil && c.Host == "":
		err := fault.New(fault.Usage, "there is no docker context %q to take up", c.Name)
		return false, fault.Hint(err, "give the address, as in galley server add %s ssh://user@host", c.Name)
	case have == nil:
		return true, nil
	case c.Host == "" && have.host() == "":
		return false, fault.New(fault.Usage, "docker context %q has no docker endpoint", c.Name)
	case c.Host == "" || c.Host == have.host():
		c.Host = have.host()
		return false, nil
	case !replace:
		err := fault.New(fault.Usage, "docker context %q is there and has the address %s", c.Name, have.host())
		return false, fault.Hint(err, "--replace gives it the address %s", c.Host)
	}
	return true, nil
}

// connect reaches the server and its nodes. A machine that lets the operator in and has
// no engine, or one without a swarm, is fine: that is what bootstrap is for.
func (a *Added) connect(ctx context.Context, o AddOptions) error {
	limit := cmp.Or(o.Timeout, time.Minute)
	own, err := a.reach(ctx, o.Name, a.Address, o.HostKeys, limit)
	if err != nil {
		return err
	}
	defer own.close()
	a.describe(own)
	for _, n := range o.Nodes {
		node, err := a.reach(ctx, n.way(), n.Address, o.HostKeys, limit)
		if err != nil {
			return fmt.Errorf("node %s: %w", n.way(), err)
		}
		a.compare(ctx, own, node)
		node.close()
	}
	return nil
}

// reach looks at an engine by its address, for ssh once its host key is known.
func (a *Added) reach(ctx context.Context, name, address string, hostKeys []string, limit time.Duration) (*Look, error) {
	if isSSH(address) {
		added, err := Trust(ctx, address, hostKeys)
		a.HostKeys = append(a.HostKeys, added...)
		if err != nil {
			return nil, err
		}
	}
	ask := address
	if name == deployer.DefaultServer {
		ask = name // what the environment says of TLS is for it
	}
	look := lookAt(ctx, ask, limit)
	if look.Err == nil {
		return look, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if isSSH(address) && noDocker(ctx, address) {
		a.Notes = append(a.Notes, fmt.Sprintf("%s has no engine yet: galley server bootstrap or join installs one", address))
		return &Look{Name: name, Address: address, Err: errNoEngine}, nil
	}
	return nil, fault.Hint(look.Err, "%s --no-check adds it all the same", cmp.Or(fault.HintOf(look.Err), "is the engine running?"))
}

// errNoEngine is of a machine that lets the operator in and has no engine.
var errNoEngine = errors.New("there is no engine")

// noDocker tells whether the machine lacks the docker program. A shell says so by the
// code 127.
func noDocker(ctx context.Context, address string) bool {
	t, err := parseSSH(address)
	if err != nil {
		return false
	}
	s, err := t.run(ctx, strictly, "", "docker", "--version")
	return err == nil && s.code == 127
}

// describe tells of the server's own engine.
func (a *Added) describe(own *Look) {
	if own.Err != nil {
		return
	}
	a.Engine, a.API, a.Swarm = own.Info.ServerVersion, own.API, SwarmState(own.Info.Swarm)
	switch info := own.Info.Swarm; {
	case own.manages():
	case info.LocalNodeState != swarm.LocalNodeStateActive:
		a.Notes = append(a.Notes, fmt.Sprintf("its engine is no swarm manager yet: galley server bootstrap %s makes it one", a.Server))
	case !info.ControlAvailable:
		a.Notes = append(a.Notes, "its engine is a worker of a swarm: apps are deployed by a manager, so add that one instead")
	default:
		a.Notes = append(a.Notes, "its manager cannot decide: "+strings.Join(strings.Fields(info.Error), " "))
	}
}

// compare tells whether a node is in the server's swarm.
func (a *Added) compare(ctx context.Context, own, node *Look) {
	if node.Err != nil || !own.manages() {
		return
	}
	nodes, err := own.api.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil || slices.ContainsFunc(nodes, func(n swarm.Node) bool { return n.ID == node.Info.Swarm.NodeID }) {
		return
	}
	a.Notes = append(a.Notes, fmt.Sprintf("node %s is not in the swarm of %s yet: galley server join adds it", node.Name, a.Server))
}

func (a *Added) write(dir deployer.Dir, o AddOptions, contexts []Context) error {
	for _, c := range contexts {
		if err := writeContext(c.Name, c.Host); err != nil {
			return err
		}
		a.Contexts = append(a.Contexts, c.Name)
	}
	if err := makeFolder(dir, o.Name); err != nil {
		return err
	}
	for _, n := range o.Nodes {
		added, err := AddNode(dir, o.Name, n.way())
		if err != nil {
			return err
		}
		if added {
			a.Nodes = append(a.Nodes, n.way())
		}
	}
	return nil
}

// addressOf is the address behind a name, without asking it anything.
func addressOf(name string) (string, error) {
	api, where, err := deployer.Reach(name)
	if err != nil {
		return "", err
	}
	return where, api.Close()
}

// SwarmState is what an engine is in a swarm, in a few words.
func SwarmState(info swarm.Info) string {
	switch {
	case info.LocalNodeState != swarm.LocalNodeStateActive:
		return string(info.LocalNodeState)
	case !info.ControlAvailable:
		return "worker"
	case info.Error != "":
		return "manager, cut off"
	}
	return "manager"
}
