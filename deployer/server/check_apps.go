package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

// checkRegistries asks the registries of what runs whether they are there, from this
// machine and without credentials.
func checkRegistries(ctx context.Context, s *Survey, r *registry.Resolver) []Finding {
	if s.NodesErr != nil {
		return nil
	}
	hosts := registriesOf(s.Images)
	if len(hosts) == 0 {
		return []Finding{{"registries", OK, "", "nothing runs that comes from a registry", ""}}
	}
	errs := make([]error, len(hosts))
	var asking sync.WaitGroup
	for i, host := range hosts {
		asking.Go(func() { errs[i] = r.Ping(ctx, host) })
	}
	asking.Wait()
	var found []Finding
	for i, host := range hosts {
		if errs[i] != nil {
			found = append(found, Finding{"registries", Failed, "", "from this machine: " + errs[i].Error(), fault.HintOf(errs[i])})
			continue
		}
		found = append(found, Finding{"registries", OK, "", host + " answers this machine", ""})
	}
	return append(found, Finding{"registries", NotKnown, "", "whether the nodes reach them, too", "on a node: docker pull of an image that an app uses"})
}

// registriesOf are the registries of images, each once.
func registriesOf(images []string) []string {
	hosts := map[string]bool{}
	for _, image := range images {
		if ref, err := registry.ParseReference(image); err == nil {
			hosts[ref.Domain] = true
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}

// checkNames asks where the names lead that the stacks have routed to them.
func checkNames(ctx context.Context, dir deployer.Dir, s *Survey, o CheckOptions) []Finding {
	nodes, err := dir.Nodes(s.Server)
	if err != nil {
		return nil // told of already
	}
	type answer struct {
		found []Finding
		err   error
	}
	a, err := within(ctx, 3*o.Timeout, func(ctx context.Context) (a answer) {
		a.found, a.err = namesOf(ctx, s.Server, nodes, o.DNS)
		return a
	}, func(answer) {})
	if err == nil {
		err = a.err
	}
	if err != nil {
		return append(a.found, Finding{"dns", NotKnown, "", "which names are routed cannot be told: " + strings.Join(strings.Fields(err.Error()), " "), fault.HintOf(err)})
	}
	if len(a.found) == 0 {
		return []Finding{{"dns", OK, "", "nothing runs that has a name routed to it", ""}}
	}
	return a.found
}

func namesOf(ctx context.Context, server string, nodes []string, dns deployer.DNSOptions) ([]Finding, error) {
	engine, err := deployer.Connect(ctx, server, nodes...)
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	stacks, err := engine.Statuses(ctx, nil)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, stack := range slices.Sorted(maps.Keys(stacks)) {
		standing, err := engine.Standing(ctx, stack)
		if err != nil {
			return found, err
		}
		if hosts := standing.Hosts(); len(hosts) > 0 {
			warnings, err := engine.CheckHosts(ctx, hosts, true, dns)
			found = append(found, namesFindings(stack, hosts, warnings, err)...)
		}
	}
	return found, nil
}

// namesFindings is what the look-up of a stack's names comes to.
func namesFindings(stack string, hosts, warnings []string, err error) []Finding {
	var found []Finding
	if err != nil {
		found = append(found, Finding{"dns", Failed, "", fmt.Sprintf("stack %s: %s", stack, err), "make a record that leads to the server"})
	}
	for _, w := range warnings {
		found = append(found, Finding{"dns", Warning, "", fmt.Sprintf("stack %s: %s", stack, w), ""})
	}
	if len(found) == 0 {
		return []Finding{{"dns", OK, "", fmt.Sprintf("stack %s: %s leads here", stack, strings.Join(hosts, ", ")), ""}}
	}
	return found
}
