package main

import (
	"context"
	"fmt"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/server"
)

type serverJoinCmd struct {
	Server       string `arg:"" help:"The server whose swarm it is to join."`
	Address      string `arg:"" help:"The machine: ssh://user@host."`
	Manager      bool   `help:"As a manager. A swarm bears the loss of one with three, of two with five."`
	machineFlags `embed:""`
}

func (serverJoinCmd) Help() string {
	return `Examples:
  galley server join prod1 ssh://root@203.0.113.8 --dry-run
  galley server join prod1 ssh://root@203.0.113.8
  galley server join prod1 ssh://root@203.0.113.9 --manager --yes

Installs the engine as "galley server bootstrap" does, has the machine join the swarm
of the server, waits until it is a ready node there, and adds the way to it to
servers/<server>/nodes. The join token goes from the manager's engine to the
machine's, over ssh, and is never shown. The machine must reach the managers' ports
2377/tcp, 7946/tcp and udp, and 4789/udp.

It can be repeated, like a bootstrap.

Exit codes: 0 the machine is a ready node. 2 wrong usage. 3 a step failed, or the
machine is in another swarm: steps that were done before stay. 4 nobody vouches for
its host key. 130 interrupted, or the answer was no.`
}

// Run goes through the machine's steps.
func (c *serverJoinCmd) Run(ctx context.Context, s *streams, servers *serverCmd, grammar *cli) error {
	machine, err := server.ParseMachine(c.Address)
	if err != nil {
		return err
	}
	dir := servers.dir()
	nodes, err := dir.Nodes(c.Server)
	if err != nil {
		return err
	}
	engine, err := deployer.Connect(ctx, c.Server, nodes...)
	if err != nil {
		return err
	}
	defer engine.Close()
	teller := c.teller(s, grammar.NoInput)
	if teller.Confirm != nil && !c.DryRun {
		if err := teller.Confirm(ctx, c.question()); err != nil {
			return err
		}
	}
	if _, err := server.Trust(ctx, c.Address, c.HostKey); err != nil {
		return err
	}
	steps, err := server.Join{
		Engine: engine, Machine: machine, Manager: c.Manager, AdvertiseAddr: c.AdvertiseAddr, DryRun: c.DryRun, Teller: teller,
		Record: func() (bool, error) { return server.AddNode(dir, c.Server, machine.String()) },
	}.Run(ctx)
	if err != nil {
		return err
	}
	return c.answer(s, c.Server, c.Address, steps)
}

func (c *serverJoinCmd) question() string {
	role := "worker"
	if c.Manager {
		role = "manager"
	}
	return fmt.Sprintf("Make %s a node of the swarm of %s, as a %s?", c.Address, c.Server, role)
}
