package deployer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// DefaultDNS bounds all questions of one check together.
const DefaultDNS = 5 * time.Second

// maxHosts bounds how many names are asked for.
const maxHosts = 50

// DNSOptions say how names are looked up.
type DNSOptions struct {
	// Server is the DNS server that is asked, "host:port"; "" asks as the machine does.
	Server string
	// Timeout bounds all questions together; DefaultDNS when zero.
	Timeout time.Duration
}

func (o DNSOptions) resolver() *net.Resolver {
	if o.Server == "" {
		return net.DefaultResolver
	}
	server := o.Server
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "53")
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}}
}

// hostRule finds the Host and HostSNI matchers of a traefik rule, and hostName the
// names in one: Host(`a.example`, `b.example`).
var (
	hostRule = regexp.MustCompile(`\bHost(?:SNI|Header)?\(([^)]*)\)`)
	hostName = regexp.MustCompile("[`\"']([^`\"']+)[`\"']")
)

// Hosts are the names that the stack has traefik route to it, sorted: those of the
// Host rules in its labels. Wildcards, addresses, and names that never leave a
// machine are left out.
func (d *Desired) Hosts() []string {
	var hosts []string
	for _, name := range sortedKeys(d.Stack.Services) {
		spec := d.Stack.Services[name].Spec
		labels := []map[string]string{spec.Labels}
		if c := spec.TaskTemplate.ContainerSpec; c != nil {
			labels = append(labels, c.Labels)
		}
		for _, set := range labels {
			for key, value := range set {
				if strings.HasPrefix(key, "traefik.") && strings.HasSuffix(key, ".rule") {
					hosts = append(hosts, hostsIn(value)...)
				}
			}
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

func hostsIn(rule string) []string {
	var hosts []string
	for _, matcher := range hostRule.FindAllStringSubmatch(rule, -1) {
		for _, quoted := range hostName.FindAllStringSubmatch(matcher[1], -1) {
			host := strings.ToLower(strings.TrimSuffix(quoted[1], "."))
			_, err := netip.ParseAddr(host)
			if err != nil && checkDomain(host) == nil && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// CheckDNS asks where the names that the stack routes lead. first says that the app
// is new: then a name that does not exist is an error, because no certificate will
// be had for it. Everything else is a warning: addresses behind a proxy or a NAT
// are not the nodes', and a resolver may be out of order.
func (e *Engine) CheckDNS(ctx context.Context, desired *Desired, first bool, options DNSOptions) (warnings []string, err error) {
	return e.CheckHosts(ctx, desired.Hosts(), first, options)
}

// CheckHosts is CheckDNS for names.
func (e *Engine) CheckHosts(ctx context.Context, hosts []string, first bool, options DNSOptions) (warnings []string, err error) {
	if len(hosts) == 0 {
		return nil, nil
	}
	nodes, err := e.nodeAddresses(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the nodes' addresses: %w", err)
	}
	return judgeDNS(ctx, hosts[:min(len(hosts), maxHosts)], nodes, first, options)
}

func judgeDNS(ctx context.Context, hosts []string, nodes []netip.Addr, first bool, options DNSOptions) (warnings []string, err error) {
	var missing []string
	for i, found := range lookUp(ctx, hosts, options) {
		host := hosts[i]
		var dns *net.DNSError
		switch {
		case errors.As(found.err, &dns) && dns.IsNotFound:
			missing = append(missing, host)
		case errors.As(found.err, &dns) && dns.IsTimeout, errors.Is(found.err, context.DeadlineExceeded):
			warnings = append(warnings, fmt.Sprintf("nothing answered in time where %s leads", host))
		case found.err != nil:
			warnings = append(warnings, fmt.Sprintf("it could not be asked where %s leads: %s", host, dnsReason(found.err)))
		case len(nodes) > 0 && !slices.ContainsFunc(found.addresses, func(a netip.Addr) bool { return slices.Contains(nodes, a) }):
			warnings = append(warnings, fmt.Sprintf("%s leads to %s, which is none of the swarm's nodes (%s): right behind a proxy or a NAT only",
				host, joinAddresses(found.addresses), joinAddresses(nodes)))
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(missing) == 0 {
		return warnings, nil
	}
	said := fmt.Sprintf("the name %s does not exist in the DNS", strings.Join(missing, ", "))
	if !first {
		return append(warnings, said), nil
	}
	err = fault.New(fault.Unavailable, "%s, and the stack has it routed", said)
	return warnings, fault.Hint(err, "make a record that leads to the server, or give --no-dns-check")
}

// dnsReason leaves out of an error what the line says already.
func dnsReason(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Err
	}
	return err.Error()
}

type answer struct {
	addresses []netip.Addr
	err       error
}

// lookUp asks for all names at once, in their order.
func lookUp(ctx context.Context, hosts []string, options DNSOptions) []answer {
	timeout := options.Timeout
	if timeout <= 0 {
		timeout = DefaultDNS
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resolver := options.resolver()
	answers := make([]answer, len(hosts))
	var group sync.WaitGroup
	for i, host := range hosts {
		group.Go(func() {
			// The dot keeps the machine's search domains out.
			addresses, err := resolver.LookupNetIP(ctx, "ip", host+".")
			for j := range addresses {
				addresses[j] = addresses[j].Unmap()
			}
			slices.SortFunc(addresses, netip.Addr.Compare)
			answers[i] = answer{addresses, err}
		})
	}
	group.Wait()
	return answers
}

// nodeAddresses are where the swarm's nodes say that they are.
func (e *Engine) nodeAddresses(ctx context.Context) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	nodes, err := e.api.NodeList(ctx, swarm.NodeListOptions{})
	var addresses []netip.Addr
	for _, node := range nodes {
		// A manager that was initialised on one machine alone is at 0.0.0.0 or 127.0.0.1.
		if a, err := netip.ParseAddr(node.Status.Addr); err == nil && !a.IsUnspecified() {
			addresses = append(addresses, a.Unmap())
		}
	}
	return addresses, err
}

func joinAddresses(addresses []netip.Addr) string {
	var texts []string
	for _, a := range addresses {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}
