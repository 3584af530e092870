package main

import (
	"context"

	"github.com/galley-coop/galley/deployer"
)

// deployFlags are those of every command that brings a version to a server.
type deployFlags struct {
	Yes         bool `short:"y" help:"Go on without asking."`
	beforeFlags `embed:""`
	watchFlags  `embed:""`
	allowFlags  `embed:""`
	dnsFlags    `embed:""`
}

// dnsFlags are about the names that a stack has routed to it.
type dnsFlags struct {
	NoDNSCheck yesNo  `name:"no-dns-check" env:"GALLEY_NO_DNS_CHECK" help:"Do not ask whether the names that the stack routes exist and lead to the swarm."`
	DNSServer  string `name:"dns-server" env:"GALLEY_DNS_SERVER" help:"Ask this DNS server for them (default: as this machine does)." placeholder:"HOST[:PORT]"`
}

// check asks where the app's names lead, before something is changed.
func (f dnsFlags) check(ctx context.Context, s *streams, engine *deployer.Engine, desired *deployer.Desired, plan *deployer.Plan) error {
	if bool(f.NoDNSCheck) || plan.Empty() {
		return nil
	}
	warnings, err := engine.CheckDNS(ctx, desired, plan.From == "", deployer.DNSOptions{Server: f.DNSServer})
	for _, warning := range warnings {
		s.notef("galley: warning: %s\n", oneLine(warning))
	}
	return err
}
