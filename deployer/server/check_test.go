package server

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"

	"github.com/galley-coop/galley/internal/fault"
)

// says checks that there is a finding of that status that says all the words.
func says(t *testing.T, found []Finding, status Status, words ...string) {
	t.Helper()
	for _, f := range found {
		all := f.Status == status
		for _, word := range words {
			all = all && strings.Contains(strings.Join([]string{f.Check, f.Node, f.Text, f.Hint}, "\n"), word)
		}
		if all {
			return
		}
	}
	t.Errorf("nothing is %q and says %q:\n%s", status, words, listed(found))
}

// only checks that all findings have that status.
func only(t *testing.T, found []Finding, status Status) {
	t.Helper()
	for _, f := range found {
		if f.Status != status {
			t.Errorf("expected nothing but %q:\n%s", status, listed(found))
			return
		}
	}
}

func listed(found []Finding) string {
	var lines []string
	for _, f := range found {
		lines = append(lines, strings.Join([]string{string(f.Status), f.Check, f.Node, f.Text, f.Hint}, " | "))
	}
	return strings.Join(lines, "\n")
}

// manager is a look at a manager that is well.
func manager(name string) *Look {
	l := &Look{Name: name, API: "1.51", Spoken: "1.51", Facts: &Facts{}}
	l.Info = system.Info{Name: name, ServerVersion: "28.5.2", LoggingDriver: "json-file", DockerRootDir: "/var/lib/docker"}
	l.Info.Swarm = swarm.Info{NodeID: name, LocalNodeState: swarm.LocalNodeStateActive, ControlAvailable: true, Cluster: &swarm.ClusterInfo{DefaultAddrPool: []string{"10.0.0.0/8"}}}
	return l
}

// member is a node of the swarm; one with a reachability is a manager.
func member(name string, reachability swarm.Reachability) swarm.Node {
	n := swarm.Node{ID: name, Spec: swarm.NodeSpec{Availability: swarm.NodeAvailabilityActive}, Status: swarm.NodeStatus{State: swarm.NodeStateReady}}
	n.Description.Hostname = name
	if reachability != "" {
		n.ManagerStatus = &swarm.ManagerStatus{Reachability: reachability}
	}
	return n
}

func TestCheckEngines(t *testing.T) {
	s := &Survey{Server: "prod1", Looks: []*Look{manager("a")}}
	only(t, checkEngines(s), OK)
	only(t, checkAPI(s), OK)
	old := manager("b")
	old.API, old.Spoken = "1.40", "1.40"
	s.Looks = []*Look{old, {Name: "c", Err: fault.Hint(errors.New("nobody"), "look there")}}
	found := checkEngines(s)
	says(t, found, Warning, "b", "API 1.40", "older than")
	says(t, found, Failed, "c", "nobody", "look there")
	says(t, checkAPI(s), Warning, "drops cap_add", "no-new-privileges", "oom_score_adj", "galley app plan")
	one, two := member("a", ""), member("b", "")
	one.Description.Engine.EngineVersion, two.Description.Engine.EngineVersion = "20.10.24", "28.5.2"
	s.Nodes = []swarm.Node{one, two}
	says(t, checkEngines(s), Warning, "20.10.24, 28.5.2")
	s.NodesFileErr = fault.Hint(errors.New("nodes:1: broken"), "mend it")
	says(t, checkEngines(s), Failed, "nodes:1", "mend it")
}

func TestCheckSwarm(t *testing.T) {
	s := &Survey{Server: "prod1", Looks: []*Look{manager("a")}, Nodes: []swarm.Node{member("a", swarm.ReachabilityReachable)}}
	only(t, checkSwarm(s), OK)
	s.Nodes = append(s.Nodes, member("b", swarm.ReachabilityReachable))
	says(t, checkSwarm(s), Warning, "2 managers", "even number")
	s.Nodes = append(s.Nodes, member("c", swarm.ReachabilityUnreachable))
	says(t, checkSwarm(s), Failed, "c cannot be reached", "0 more may go")
	down, drained := member("d", ""), member("e", "")
	down.Status = swarm.NodeStatus{State: swarm.NodeStateDown, Message: "heartbeat\nfailure"}
	drained.Spec.Availability = swarm.NodeAvailabilityDrain
	s.Nodes = []swarm.Node{member("a", swarm.ReachabilityReachable), down, drained}
	found := checkSwarm(s)
	says(t, found, Failed, "nodes", "d", "down: heartbeat failure")
	says(t, found, Warning, "nodes", "e", "drain")
	s.Looks = append(s.Looks, manager("z"))
	says(t, checkSwarm(s), Failed, "z", "no node of this swarm", "servers/prod1/nodes")
}

func TestCheckSwarmWithoutAManager(t *testing.T) {
	none, worker, cut := manager("a"), manager("b"), manager("c")
	none.Info.Swarm = swarm.Info{LocalNodeState: swarm.LocalNodeStateInactive}
	worker.Info.Swarm.ControlAvailable = false
	cut.Info.Swarm.Error = "no leader"
	for l, words := range map[*Look][]string{
		none: {"in no swarm", "inactive", "galley server bootstrap prod1"}, worker: {"is a worker"}, cut: {"cannot decide", "no leader"},
	} {
		says(t, checkSwarm(&Survey{Server: "prod1", Looks: []*Look{l}}), Failed, words...)
	}
	if found := checkSwarm(&Survey{Looks: []*Look{{Err: errors.New("x")}}}); len(found) > 0 {
		t.Errorf("an engine that does not answer is told of twice:\n%s", listed(found))
	}
	both := &Survey{Server: "prod1", Looks: []*Look{worker, manager("d")}, Nodes: []swarm.Node{member("b", ""), member("d", swarm.ReachabilityReachable)}}
	says(t, checkSwarm(both), Warning, "b", "deploys go by another node")
}

func TestCheckPorts(t *testing.T) {
	s := &Survey{Looks: []*Look{manager("a")}, Nodes: []swarm.Node{member("a", swarm.ReachabilityReachable)}}
	only(t, checkPorts(s, nil), OK)
	s.Nodes = append(s.Nodes, member("b", ""))
	at := netip.MustParseAddrPort("10.1.0.2:7946")
	says(t, checkPorts(s, []portState{{"b", "a", at, nil}}), OK, "1 port answer")
	says(t, checkPorts(s, nil), NotKnown, "7946/udp and 4789/udp", "docs/servers.md")
	says(t, checkPorts(s, []portState{{"b", "a", at, errors.New("refused")}}), Failed, "10.1.0.2:7946/tcp", "node a", "open port 7946/tcp of node b")
	says(t, checkPorts(s, []portState{{"b", "", at, errors.New("no answer")}}), NotKnown, "this machine", "nc -vz 10.1.0.2 7946")
	says(t, checkPorts(s, []portState{{"b", "a", at, errNotTold{errors.New("no bash")}}}), NotKnown, "no bash")
	s.Looks[0].Info.Swarm.Cluster.DataPathPort = 9789
	says(t, checkPorts(s, nil), NotKnown, "9789/udp")
}

func TestCheckClocks(t *testing.T) {
	clock := func(name string, skew, uncertain time.Duration) *Look {
		l := manager(name)
		l.Skew, l.Uncertain, l.HasSkew = skew, uncertain, true
		return l
	}
	check := func(looks ...*Look) []Finding { return checkClocks(&Survey{Looks: looks}) }
	only(t, check(clock("a", -time.Second, 0), clock("b", 9*time.Second, 8*time.Second)), OK)
	says(t, check(clock("a", 5*time.Second, 0)), Warning, "a", "5s ahead of this machine's")
	says(t, check(clock("a", -time.Minute, 0), clock("b", 0, 0)), Failed, "a", "1m0s behind this machine's")
	found := check(clock("a", time.Minute, 0), clock("b", time.Minute+time.Second, 0))
	says(t, found, Warning, "the nodes agree", "1m0s behind")
	only(t, found, Warning)
	found = check(clock("a", time.Minute, 0), clock("b", 2*time.Minute, 0))
	says(t, found, Failed, "a", "1m0s ahead of")
	says(t, found, Failed, "b", "2m0s ahead of")
	says(t, check(manager("a")), NotKnown, "does not tell its time")
}

func TestCheckDisk(t *testing.T) {
	const gb = 1000 * 1000 * 1000
	for _, c := range []struct {
		disk Disk
		want Status
	}{
		{Disk{"/d", 100 * gb, 50 * gb, 0, 0}, OK},
		{Disk{"/d", 100 * gb, 14 * gb, 100, 50}, Warning},
		{Disk{"/d", 100 * gb, 4 * gb, 100, 50}, Failed},
		{Disk{"/d", 2 * gb, gb, 100, 50}, Failed},
		{Disk{"/d", 100 * gb, 50 * gb, 100, 9}, Warning},
		{Disk{"/d", 100 * gb, 50 * gb, 100, 2}, Failed},
		{Disk{"/d", 100 * gb, 4 * gb, 100, 9}, Failed},
	} {
		if f := checkDisk("a", c.disk); f.Status != c.want {
			t.Errorf("%+v: %+v, want %s", c.disk, f, c.want)
		}
	}
	l := manager("a")
	l.Facts, l.FactsErr = nil, errElsewhere
	says(t, checkDisks(&Survey{Looks: []*Look{l}}), NotKnown, "neither by ssh", "df -h /var/lib/docker")
}

func netOf(name, driver string, subnets ...string) network.Summary {
	n := network.Summary{Name: name, Driver: driver}
	for _, s := range subnets {
		n.IPAM.Config = append(n.IPAM.Config, network.IPAMConfig{Subnet: s})
	}
	return n
}

func TestCheckNetworks(t *testing.T) {
	l := manager("a")
	l.Info.Swarm.Cluster.DefaultAddrPool = []string{"10.200.0.0/16"}
	l.Networks = []network.Summary{
		netOf("bridge", "bridge", "172.17.0.0/16"), netOf("ingress", "overlay", "10.200.0.0/24"), netOf("host", "host"),
		netOf("lan", "macvlan", "192.168.1.0/24"), netOf("own", "bridge", "172.30.0.0/16", "fd00::/64"),
	}
	l.Networks[4].Options = map[string]string{"com.docker.network.bridge.name": "mine"}
	route := func(subnet, device string) Route { return Route{netip.MustParsePrefix(subnet), device} }
	l.Facts.Routes = []Route{route("172.17.0.0/16", "docker0"), route("172.30.0.0/16", "mine"), route("192.168.1.0/24", "eth0"), route("172.18.0.0/16", "br-0123456789ab")}
	s := &Survey{Looks: []*Look{l}}
	only(t, checkNetworks(s), OK)
	l.Facts.Routes = append(l.Facts.Routes, route("10.200.0.128/25", "wg0"))
	found := checkNetworks(s)
	says(t, found, Failed, `network "ingress" (10.200.0.0/24)`, "route by wg0 (10.200.0.128/25)")
	says(t, found, Warning, "the swarm's address pool (10.200.0.0/16)", "wg0")
	l.Facts.Routes = nil
	l.Networks = append(l.Networks, netOf("other", "bridge", "172.30.5.0/24"))
	says(t, checkNetworks(s), Failed, `network "own"`, `network "other"`, "overlap")
	l.Networks = l.Networks[:2]
	l.Info.DefaultAddressPools = []system.NetworkAddressPool{{Base: "10.200.128.0/17", Size: 24}}
	says(t, checkNetworks(s), Warning, "the engine's own address pool (10.200.128.0/17)")
	l.Info.DefaultAddressPools = nil
	l.Facts, l.FactsErr = nil, errElsewhere
	says(t, checkNetworks(s), NotKnown, "routes", "ip route")
}

func TestSoon(t *testing.T) {
	pool := netip.MustParsePrefix("10.0.0.0/8")
	for other, want := range map[string]bool{
		"10.0.5.0/24": true, "10.3.255.0/24": true, "10.4.0.0/24": false, "10.213.14.68/30": false,
		"10.0.0.0/7": true, "192.168.0.0/16": false, "fd00::/64": false,
	} {
		if got := soon(pool, netip.MustParsePrefix(other), 24); got != want {
			t.Errorf("%s: %v, want %v", other, got, want)
		}
	}
}

func TestCheckProxy(t *testing.T) {
	l := manager("a")
	s := &Survey{Looks: []*Look{l}}
	says(t, checkProxy(s), Failed, "no network", "--attachable proxy")
	l.Networks = []network.Summary{netOf("proxy", "bridge")}
	says(t, checkProxy(s), Failed, `driver "bridge"`)
	l.Networks[0].Driver, l.Networks[0].Scope = "overlay", "swarm"
	says(t, checkProxy(s), OK, "for services")
	l.Networks[0].Attachable = true
	says(t, checkProxy(s), OK, "attachable overlay")
}

func TestCheckLogs(t *testing.T) {
	l := manager("a")
	s := &Survey{Looks: []*Look{l}}
	says(t, checkLogs(s), Warning, "without a limit", "max-size")
	l.Facts.Daemon.LogOpts = map[string]string{"max-size": "10m"}
	says(t, checkLogs(s), OK, "10m")
	l.Facts.DaemonErr = errors.New("denied")
	says(t, checkLogs(s), NotKnown, "denied")
	l.Facts, l.FactsErr = nil, errElsewhere
	says(t, checkLogs(s), NotKnown, "neither by ssh")
	l.Info.LoggingDriver = "local"
	says(t, checkLogs(s), OK, `"local"`)
}

func TestCheckDaemon(t *testing.T) {
	l := manager("a")
	s := &Survey{Looks: []*Look{l}}
	loopback := registry.NetIPNet(net.IPNet{IP: net.IPv4(127, 0, 0, 0), Mask: net.CIDRMask(8, 32)})
	l.Info.RegistryConfig = &registry.ServiceConfig{InsecureRegistryCIDRs: []*registry.NetIPNet{&loopback}, IndexConfigs: map[string]*registry.IndexInfo{"docker.io": {Secure: true}}}
	only(t, checkDaemon(s), OK)
	l.Info.RegistryConfig.IndexConfigs["r:5000"] = &registry.IndexInfo{}
	says(t, checkDaemon(s), Warning, "r:5000", "insecure-registries")
	l.Facts.Daemon.LiveRestore = true
	says(t, checkDaemon(s), Failed, "live-restore", "does not start with it again")
	l.Info.LiveRestoreEnabled, l.Info.ExperimentalBuild = true, true
	says(t, checkDaemon(s), Failed, "which a swarm refuses")
	says(t, checkDaemon(s), Warning, "experimental")
}

func TestRegistriesOf(t *testing.T) {
	got := registriesOf([]string{"nginx:1@sha256:" + strings.Repeat("a", 64), "r.example.org:5000/x/y:1", "docker.io/library/x:2", "%"})
	if strings.Join(got, " ") != "docker.io r.example.org:5000" {
		t.Errorf("%q", got)
	}
}

func TestNamesFindings(t *testing.T) {
	only(t, namesFindings("s", []string{"a.example.org"}, nil, nil), OK)
	found := namesFindings("s", []string{"a", "b"}, []string{"a leads astray"}, errors.New("the name b does not exist"))
	says(t, found, Failed, "stack s", "b does not exist")
	says(t, found, Warning, "stack s", "a leads astray")
}

func TestWorst(t *testing.T) {
	r := &Report{}
	for _, status := range []Status{OK, NotKnown, Warning, Failed} {
		if r.Findings = append(r.Findings, Finding{Status: status}); r.Worst() != status {
			t.Errorf("%s is worse than %s", r.Worst(), status)
		}
	}
}
