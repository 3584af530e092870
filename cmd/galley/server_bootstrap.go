package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/server"
	"github.com/galley-coop/galley/internal/fault"
)

type serverBootstrapCmd struct {
	Machine      string   `arg:"" help:"A server's name, or the address of a machine that is none yet: ssh://user@host."`
	Name         string   `help:"Add the machine as the server of this name, when its address is given." placeholder:"NAME"`
	AddrPool     []string `name:"default-addr-pool" help:"Where the swarm takes its networks' addresses from, when its own choice (10.0.0.0/8) is in use there; may be given again." placeholder:"CIDR"`
	machineFlags `embed:""`
}

func (serverBootstrapCmd) Help() string {
	return `Examples:
  galley server bootstrap ssh://root@203.0.113.7 --name prod1 --dry-run
  galley server bootstrap ssh://root@203.0.113.7 --name prod1
  galley server bootstrap prod1

On a machine with Debian or Ubuntu and an sshd: installs the engine from the
distribution's packages, limits the containers' logs (an engine's configuration that
is there is kept, and merged into), starts the engine, makes the machine a swarm's
manager, and makes the network "proxy". Each command is printed before it is run:
"look" for those that change nothing, which a dry run runs, too, "run" for the others.

It can be repeated: what is there already is left as it is, and what an earlier run
did not come to is done. ssh must work without a question, as root or as a user who
may use sudo without a password; that user is put into the group docker. An engine
that runs is restarted only when its configuration changed, and with containers on it
only after a yes.

Exit codes: 0 the machine is a manager, and has all of this. 2 wrong usage. 3 a step
failed, or the machine is a worker, or runs something else: steps that were done
before stay. 4 nobody vouches for its host key. 130 interrupted; the command that ran
was ended on the machine, too.`
}

// Run goes through the machine's steps.
func (c *serverBootstrapCmd) Run(ctx context.Context, s *streams, servers *serverCmd, grammar *cli) error {
	machine, err := c.machine()
	if err != nil {
		return err
	}
	pools, err := parsePools(c.AddrPool)
	if err != nil {
		return err
	}
	if _, err := server.Trust(ctx, machine.String(), c.HostKey); err != nil {
		return err
	}
	steps, err := server.Bootstrap{
		Machine: machine, AdvertiseAddr: c.AdvertiseAddr, AddrPools: pools, DryRun: c.DryRun, Teller: c.teller(s, grammar.NoInput),
	}.Run(ctx)
	if err != nil {
		return err
	}
	if c.Name != "" && !c.DryRun {
		step, err := c.add(ctx, servers.dir(), machine)
		if err != nil {
			return err
		}
		steps = append(steps, step)
		c.teller(s, true).Tell(step)
	}
	return c.answer(s, c.Name, machine.String(), steps)
}

// machine is the one that an address names, or a server's name.
func (c *serverBootstrapCmd) machine() (server.Machine, error) {
	if !strings.Contains(c.Machine, "://") {
		if c.Name != "" {
			return server.Machine{}, fault.New(fault.Usage, "--name is for a machine's address; %q is a name already", c.Machine)
		}
		return server.MachineOf(c.Machine)
	}
	if c.Name != "" {
		if err := server.CheckName(c.Name); err != nil {
			return server.Machine{}, err
		}
	}
	return server.ParseMachine(c.Machine)
}

// add makes the machine known as a server, which also tells whether docker's own way
// over ssh works.
func (c *serverBootstrapCmd) add(ctx context.Context, dir deployer.Dir, machine server.Machine) (server.Step, error) {
	added, err := server.Add(ctx, dir, server.AddOptions{Name: c.Name, Address: machine.String()})
	if err != nil {
		return server.Step{}, err
	}
	step := server.Step{Name: "server " + c.Name, State: server.StepOK, Commands: []server.Command{}}
	step.Detail = fmt.Sprintf("docker context %s, at %s: Docker %s, %s", c.Name, added.Address, added.Engine, added.Swarm)
	if len(added.Contexts) > 0 {
		step.State = server.StepChanged
	}
	return step, nil
}

func parsePools(given []string) ([]netip.Prefix, error) {
	var pools []netip.Prefix
	for _, text := range given {
		pool, err := netip.ParsePrefix(text)
		if err != nil || pool != pool.Masked() {
			return nil, fault.Hint(fault.New(fault.Usage, "address pool %q: expected a network", text), "write it like 10.200.0.0/16")
		}
		pools = append(pools, pool)
	}
	return pools, nil
}
