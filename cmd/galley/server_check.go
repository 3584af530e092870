package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/server"
	"github.com/galley-coop/galley/internal/fault"
)

type serverCheckCmd struct {
	Servers   []string      `arg:"" optional:"" name:"name" help:"The servers; all that have a folder when none is named."`
	Timeout   time.Duration `default:"20s" help:"How long an engine may take to answer." placeholder:"DURATION"`
	DNSServer string        `name:"dns-server" env:"GALLEY_DNS_SERVER" help:"Ask this DNS server for the apps' names (default: as this machine does)." placeholder:"HOST[:PORT]"`
	Problems  bool          `help:"Leave out what is ok."`
}

func (serverCheckCmd) Help() string {
	return `Examples:
  galley server check
  galley server check prod1
  galley server check prod1 --problems
  galley server check --output json

Looks at engines, swarm, ports between nodes, clocks, disks, address pools, networks,
log rotation, engine settings, registries and the apps' names, and changes nothing.
Each line is ok, a warning, failed, or not known: what cannot be told from here is not
guessed, and the hint says how to find out. By ssh, or on this machine, more can be
told than by tcp://.

Exit codes: 0 nothing failed. 1 something did.`
}

// Run looks at the servers.
func (c *serverCheckCmd) Run(ctx context.Context, s *streams, servers *serverCmd) error {
	names, err := servers.known(c.Servers)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		err := fault.New(fault.Usage, "there is no server in %s yet", servers.dir().Root)
		return fault.Hint(err, "galley server add makes one known; galley server check %s looks at what docker itself would talk to", deployer.DefaultServer)
	}
	reports := server.Check(ctx, servers.dir(), names, server.CheckOptions{Timeout: c.Timeout, DNS: deployer.DNSOptions{Server: c.DNSServer}})
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.print(s, reports); err != nil {
		return err
	}
	for _, r := range reports {
		if r.Worst() == server.Failed {
			return answered{fault.No}
		}
	}
	return nil
}

func (c *serverCheckCmd) print(s *streams, reports []*server.Report) error {
	if s.json {
		return s.printJSON(map[string]any{"servers": reports})
	}
	for i, r := range reports {
		if i > 0 {
			s.printf("\n")
		}
		s.printf("%s: %s\n", r.Server, orDash(r.Address))
		counts := map[server.Status]int{}
		for _, f := range r.Findings {
			counts[f.Status]++
			if !c.Problems || f.Status != server.OK {
				printFinding(s, f)
			}
		}
		s.printf("%d ok, %s, %d failed, %d not known\n", counts[server.OK], count(counts[server.Warning], "warning"), counts[server.Failed], counts[server.NotKnown])
	}
	return nil
}

// printFinding prints one check, and what to do about it on a line below.
func printFinding(s *streams, f server.Finding) {
	about := f.Check
	if f.Node != "" {
		about += " " + oneLine(f.Node)
	}
	s.printf("  %-9s  %s: %s\n", f.Status, about, oneLine(f.Text))
	if f.Hint != "" && f.Status != server.OK {
		s.printf("  %s  %s\n", strings.Repeat(" ", 9), oneLine(fmt.Sprintf("→ %s", f.Hint)))
	}
}
