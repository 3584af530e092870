package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/sshd"
)

// TestAddOverSSH adds a real engine behind a real ssh server.
func TestAddOverSSH(t *testing.T) {
	e := shared.Get(t)
	dir := operator(t)
	s, c := overSSH(t, e.Host())
	prints, err := s.Fingerprints()
	if err != nil {
		t.Fatal(err)
	}
	o := AddOptions{Name: "prod1", Address: "ssh://root@" + s.Addr}
	_, err = Add(t.Context(), dir, o)
	failsWith(t, err, fault.Refused, prints[0], "--host-key")
	contexts, err := Contexts()
	if _, statErr := os.Stat(dir.Root); statErr == nil || err != nil || len(contexts) > 0 {
		t.Errorf("a refusal wrote something: %v, %v", contexts, err)
	}
	o.HostKeys = []string{prints[0]}
	added, err := Add(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	version, api := e.Version()
	if added.Engine != version || added.API != api || added.Swarm != "manager" || !slices.Equal(added.Contexts, []string{"prod1"}) || len(added.Notes) > 0 || !slices.Equal(added.HostKeys, prints[:1]) {
		t.Errorf("%+v", added)
	}
	if info, err := os.Stat(Folder(dir, "prod1")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	if got := docker(t, "--context", "prod1", "info", "--format", "{{.Swarm.ControlAvailable}}"); strings.TrimSpace(got) != "true" {
		t.Errorf("docker says %q of the server", got)
	}
	connected, err := deployer.Connect(t.Context(), "prod1")
	if err != nil {
		t.Fatal(err)
	}
	_ = connected.Close()
	known := readFile(t, c.KnownHosts)
	if again, err := Add(t.Context(), dir, o); err != nil || len(again.Contexts)+len(again.HostKeys)+len(again.Nodes) > 0 || readFile(t, c.KnownHosts) != known {
		t.Errorf("adding again: %+v, %v", again, err)
	}
}

func TestAddAgain(t *testing.T) {
	e := shared.Get(t)
	dir := operator(t)
	first := AddOptions{Name: "prod1", Address: e.Host(), Nodes: []Node{{"node2", e.Host()}, {"", "unix:///nobody.sock"}}}
	_, err := Add(t.Context(), dir, first)
	failsWith(t, err, fault.Unavailable, "node unix:///nobody.sock", "--no-check")
	first.Nodes = first.Nodes[:1]
	added, err := Add(t.Context(), dir, first)
	if err != nil || !slices.Equal(added.Contexts, []string{"prod1", "node2"}) || !slices.Equal(added.Nodes, []string{"node2"}) {
		t.Fatalf("%+v, %v", added, err)
	}
	other := AddOptions{Name: "prod1", Address: "unix:///other.sock", NoCheck: true}
	_, err = Add(t.Context(), dir, other)
	failsWith(t, err, fault.Usage, "has the address "+e.Host(), "--replace")
	other.Replace = true
	if added, err := Add(t.Context(), dir, other); err != nil || added.Address != "unix:///other.sock" || added.Engine != "" {
		t.Errorf("%+v, %v", added, err)
	}
	if added, err := Add(t.Context(), dir, AddOptions{Name: "prod1", NoCheck: true}); err != nil || added.Address != "unix:///other.sock" || len(added.Contexts) > 0 {
		t.Errorf("taking it up: %+v, %v", added, err)
	}
	_, err = Add(t.Context(), dir, AddOptions{Name: "nothing"})
	failsWith(t, err, fault.Usage, "no docker context", "galley server add nothing ssh://")
	_, err = Add(t.Context(), dir, AddOptions{Name: "default", Address: e.Host()})
	failsWith(t, err, fault.Usage, "always there")
	t.Setenv("DOCKER_HOST", e.Host())
	if added, err := Add(t.Context(), dir, AddOptions{Name: "default"}); err != nil || added.Address != e.Host() || len(added.Contexts) > 0 {
		t.Errorf("the default one: %+v, %v", added, err)
	}
}

// TestWithoutSwarm adds, lists and checks an engine that is in no swarm, and adds a
// machine without an engine.
func TestWithoutSwarm(t *testing.T) {
	e := engine.StartT(t, engine.Options{})
	dir := operator(t)
	added, err := Add(t.Context(), dir, AddOptions{Name: "fresh", Address: e.Host()})
	if err != nil || added.Swarm != "inactive" || len(added.Notes) != 1 || !strings.Contains(added.Notes[0], "galley server bootstrap fresh") {
		t.Errorf("%+v, %v", added, err)
	}
	states, _, err := List(t.Context(), dir, time.Minute)
	if err != nil || len(states) != 1 || !states[0].Up || states[0].Swarm != "inactive" || states[0].Nodes != 0 || !strings.Contains(strings.Join(states[0].Notes, ""), "bootstrap") {
		t.Errorf("%+v, %v", states, err)
	}
	r := Check(t.Context(), dir, []string{"fresh"}, CheckOptions{Timeout: time.Minute})[0]
	says(t, r.Findings, Failed, "swarm", "in no swarm", "galley server bootstrap fresh")
	says(t, r.Findings, OK, "engine")

	s := sshd.StartT(t, sshd.Options{Env: map[string]string{"PATH": "/nowhere"}})
	c, err := sshd.NewClient(t.Context(), t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Trust(s); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", c.Path())
	added, err = Add(t.Context(), dir, AddOptions{Name: "bare", Address: "ssh://galley-0"})
	if err != nil || added.Engine != "" || len(added.Notes) != 1 || !strings.Contains(added.Notes[0], "has no engine yet") {
		t.Errorf("a machine without an engine: %+v, %v", added, err)
	}
}

// TestList lists a server that is well beside one that is dead and one that takes the
// connection and says nothing.
func TestList(t *testing.T) {
	e := shared.Get(t)
	dir := operator(t)
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "silent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, address := range map[string]string{"well": e.Host(), "dead": "unix:///nobody.sock", "silent": "unix://" + silent.Addr().String(), "reserve": "unix:///nobody.sock"} {
		if _, err := Add(t.Context(), dir, AddOptions{Name: name, Address: address, NoCheck: true}); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(Folder(dir, "reserve"), nodesName), e.Host()+"\n")
	writeFile(t, filepath.Join(Folder(dir, "well"), "a.example.org.env"), "TYPE=a\n")
	if err := writeContext("unused", "unix:///x"); err != nil {
		t.Fatal(err)
	}
	states, unused, err := List(t.Context(), dir, 3*time.Second)
	if err != nil || len(states) != 4 || !slices.Equal(unused, []string{"unused"}) {
		t.Fatalf("%d states, unused %q, %v", len(states), unused, err)
	}
	dead, reserve, mute, well := states[0], states[1], states[2], states[3]
	if dead.Up || !strings.Contains(dead.Error, "connection failed") || dead.Err() == nil {
		t.Errorf("dead: %+v", dead)
	}
	if mute.Up || !strings.Contains(mute.Error, "did not answer within 3s") || mute.Address == "" {
		t.Errorf("silent: %+v", mute)
	}
	if !reserve.Up || !strings.Contains(strings.Join(reserve.Notes, ""), "its own engine does not answer") || reserve.Nodes != 1 {
		t.Errorf("reserve: %+v", reserve)
	}
	version, _ := e.Version()
	if !well.Up || well.Engine != version || well.Swarm != "manager" || well.Ready != 1 || well.Managers != 1 || well.Apps != 1 || well.Disk == nil || well.Disk.Free <= 0 {
		t.Errorf("well: %+v", well)
	}
	if _, err := Remove(dir, "silent", false); err != nil { // it need not be waited for again
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", e.Host())
	if states, _, err := List(t.Context(), dir, time.Minute); err != nil || len(states) != 4 || states[1].Server != "default" || !states[1].Up {
		t.Errorf("with a default one: %+v, %v", states, err)
	}
}

// settings writes the private engine's daemon.json, which the running engine does not
// read again.
func settings(t *testing.T, e *engine.Engine, content string) {
	t.Helper()
	pid, err := listener(e.Socket())
	if err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("/proc/%d/root/etc/docker/daemon.json", pid)
	writeFile(t, file, content)
	t.Cleanup(func() {
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	})
}

// runs makes a service of a stack that has a name routed to it.
func runs(t *testing.T, api *client.Client) {
	t.Helper()
	spec := swarm.ServiceSpec{TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "127.0.0.1:1/web:1"}}}
	spec.Name = "web_app"
	replicas := uint64(0)
	spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
	spec.Labels = map[string]string{deployer.NamespaceLabel: "web", "traefik.http.routers.web.rule": "Host(`web.example.org`)"}
	made, err := api.ServiceCreate(t.Context(), spec, swarm.ServiceCreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.ServiceRemove(context.Background(), made.ID); err != nil {
			t.Error(err)
		}
	})
}

func TestCheckRealEngine(t *testing.T) {
	e := shared.Get(t)
	dir := operator(t)
	if _, err := Add(t.Context(), dir, AddOptions{Name: "prod1", Address: e.Host()}); err != nil {
		t.Fatal(err)
	}
	check := func() []Finding {
		o := CheckOptions{Timeout: time.Minute, DNS: deployer.DNSOptions{Server: "127.0.0.1:1"}}
		return Check(t.Context(), dir, []string{"prod1"}, o)[0].Findings
	}
	version, api := e.Version()
	found := check()
	says(t, found, OK, "engine", version, "API "+api)
	says(t, found, OK, "swarm", "1 node, 1 manager")
	says(t, found, OK, "nodes", "ready")
	says(t, found, OK, "ports", "one node")
	says(t, found, OK, "clock", "within")
	says(t, found, OK, "networks", "nor a route of the node")
	says(t, found, Failed, "proxy", "no network")
	says(t, found, Warning, "logs", "without a limit")
	says(t, found, Warning, "settings", "insecure-registries")
	says(t, found, OK, "registries", "nothing runs")
	says(t, found, OK, "dns", "nothing runs")
	status := Warning
	if api != "1.41" {
		status = OK
	}
	says(t, found, status, "api", "API "+api)
	for _, f := range found {
		if f.Check == "disk" && (f.Status == NotKnown || !strings.Contains(f.Text, "free of")) {
			t.Errorf("%+v", f)
		}
	}

	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	runs(t, c)
	made, err := c.NetworkCreate(t.Context(), proxyNetwork, network.CreateOptions{Driver: "overlay", Attachable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.NetworkRemove(context.Background(), made.ID) })
	settings(t, e, `{"log-opts":{"max-size":"7m"},"live-restore":true}`)
	found = check()
	says(t, found, OK, "proxy", "attachable overlay")
	says(t, found, OK, "logs", "7m")
	says(t, found, Failed, "settings", "live-restore is on in")
	says(t, found, Failed, "registries", "127.0.0.1:1")
	says(t, found, NotKnown, "registries", "whether the nodes")
	says(t, found, Warning, "dns", "stack web", "web.example.org")
}

// TestCheckOverlap makes a network with the addresses of the node's own link.
func TestCheckOverlap(t *testing.T) {
	e := shared.Get(t)
	dir := operator(t)
	if _, err := Add(t.Context(), dir, AddOptions{Name: "prod1", Address: e.Host(), NoCheck: true}); err != nil {
		t.Fatal(err)
	}
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := survey(t.Context(), dir, "prod1", time.Minute, askNetworks, askFacts)
	s.Close()
	if s.Own().Err != nil || s.Own().Facts == nil || len(routesOf(s.Own())) == 0 {
		t.Fatalf("%v, %v, routes %v", s.Own().Err, s.Own().FactsErr, routesOf(s.Own()))
	}
	link := routesOf(s.Own())[0].prefix
	if own := netip.MustParseAddr(e.NodeAddr()); !link.Contains(own) || s.Own().Facts.Routes[0].Interface != "eth0" {
		t.Fatalf("the routes are another machine's: %v, expected one to %s", routesOf(s.Own()), own)
	}
	config := &network.IPAM{Config: []network.IPAMConfig{{Subnet: link.String()}}}
	made, err := c.NetworkCreate(t.Context(), "astray", network.CreateOptions{Driver: "overlay", IPAM: config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.NetworkRemove(context.Background(), made.ID) })
	found := Check(t.Context(), dir, []string{"prod1"}, CheckOptions{Timeout: time.Minute})[0].Findings
	says(t, found, Failed, `network "astray"`, link.String(), "the node's route by")
}

// TestFactsOverSSH reads the machine behind a real ssh server, as root there.
func TestFactsOverSSH(t *testing.T) {
	e := shared.Get(t)
	dir := operator(t)
	s, c := overSSH(t, e.Host())
	if err := c.Trust(s); err != nil {
		t.Fatal(err)
	}
	if _, err := Add(t.Context(), dir, AddOptions{Name: "prod1", Address: "ssh://galley-0"}); err != nil {
		t.Fatal(err)
	}
	look := lookAt(t.Context(), "prod1", time.Minute, askNetworks, askFacts)
	defer look.close()
	if look.Err != nil || look.Facts == nil || look.Facts.Disk == nil {
		t.Fatalf("%v, %v", look.Err, look.FactsErr)
	}
	if d := look.Facts.Disk; d.Total <= 0 || d.Free <= 0 || d.Path != e.Dir()+"/data" {
		t.Errorf("%+v", d)
	}
	if len(look.Networks) == 0 || !look.HasSkew || beyond(look.Skew, look.Uncertain) >= maxSkew {
		t.Errorf("%d networks, skew %s (±%s)", len(look.Networks), look.Skew, look.Uncertain)
	}
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	to := open.Addr().(*net.TCPAddr).AddrPort()
	closed := netip.MustParseAddrPort("127.0.0.1:1")
	if errs := look.Facts.dial(t.Context(), []netip.AddrPort{closed, to}); errs[0] == nil || errs[0].Error() != "refused" || errs[1] != nil {
		t.Errorf("a closed port and an open one, tried from there: %v", errs)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var untold errNotTold
	if errs := look.Facts.dial(t.Context(), []netip.AddrPort{to}); !errors.As(errs[0], &untold) {
		t.Errorf("a port, tried from a machine that went away: %v", errs)
	}
}

// TestSilentSSH looks at a machine whose ssh connects to something that says nothing.
func TestSilentSSH(t *testing.T) {
	operator(t)
	_, c := overSSH(t, "unix:///nowhere")
	config := readFile(t, c.Config)
	writeFile(t, c.Config, "Host silent\n\tProxyCommand sh -c 'while read line; do :; done'\n"+config)
	look := lookAt(t.Context(), "ssh://silent", time.Second)
	failsWith(t, look.Err, fault.Unavailable, "did not answer within 1s")
	if look.Address != "ssh://silent" {
		t.Errorf("address %q", look.Address)
	}
}
