package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
)

var shared = Shared{Options: Options{Swarm: true}}

func TestMain(m *testing.M) {
	if os.Getenv(ownerEnv) != "" {
		os.Exit(own())
	}
	os.Exit(shared.Main(m))
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls check until it returns nil.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	if err := poll(ctx, check); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func inventory(t *testing.T) []string {
	t.Helper()
	lines, err := Inventory(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// sameAs waits until the host has nothing that it had not before. Other packages'
// tests may be in the middle of a step, which does not last. steps are taken before
// each look.
func sameAs(t *testing.T, before []string, steps ...func(context.Context) error) {
	t.Helper()
	eventually(t, "left on the host", func(ctx context.Context) error {
		for _, step := range steps {
			if err := step(ctx); err != nil {
				return err
			}
		}
		after, err := Inventory(ctx)
		if err != nil {
			return err
		}
		if left := Left(before, after); len(left) > 0 {
			return fmt.Errorf("%q", left)
		}
		return nil
	})
}

func TestStart(t *testing.T) {
	e := shared.Get(t)
	info := engineInfo(t, e)
	if info.Swarm.LocalNodeState != swarm.LocalNodeStateActive || !info.Swarm.ControlAvailable {
		t.Errorf("swarm is %q, manager %v; want an active manager", info.Swarm.LocalNodeState, info.Swarm.ControlAvailable)
	}
	if info.Swarm.NodeAddr != e.NodeAddr() {
		t.Errorf("the swarm advertises %q, want %q", info.Swarm.NodeAddr, e.NodeAddr())
	}
	if want := filepath.Join(e.Dir(), "data"); info.DockerRootDir != want {
		t.Errorf("the data root is %q, want %q", info.DockerRootDir, want)
	}
	if e.Arch() != "amd64" && e.Arch() != "arm64" {
		t.Errorf("Arch() = %q", e.Arch())
	}
	version, api := e.Version()
	t.Logf("engine %s, API %s", version, api)
	if want := os.Getenv(APIEnv); want != "" && api != want || version != info.ServerVersion || api == "" {
		t.Errorf("Version() = %q, %q of engine %q; %s is %q", version, api, info.ServerVersion, APIEnv, want)
	}
	if info.Containers != 0 || info.Images != 0 {
		t.Errorf("%d containers and %d images: this is not a private engine", info.Containers, info.Images)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	shared.Get(t) // running before and after, so its lines cancel out
	rules := firewall(t)
	before := inventory(t)
	e := StartT(t, Options{Swarm: true})
	runProbe(t, e, swarm.PortConfigPublishModeHost)
	during := Left(before, inventory(t))
	for _, want := range []string{"netns ", "link ", "process ", "cgroup ", "path "} {
		if !strings.Contains(strings.Join(during, "\n"), want) {
			t.Errorf("an inventory beside a running engine has no new line of kind %q: %q", want, during)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	sameAs(t, before)
	if got := firewall(t); got != rules {
		t.Errorf("the host's firewall changed from\n%s\nto\n%s", rules, got)
	}
	if err := e.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

var counters = regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]`)

// firewall is the host's rules without counters and comments.
func firewall(t *testing.T) string {
	t.Helper()
	if findTool("iptables-save", "") == "" {
		t.Fatal("iptables-save is not installed, though iptables is")
	}
	out, err := run(testContext(t), "iptables-save")
	if err != nil {
		t.Fatal(err)
	}
	return counters.ReplaceAllString(out, "")
}

func TestTwoEngines(t *testing.T) {
	one, two := shared.Get(t), StartT(t, Options{Swarm: true})
	if one.Host() == two.Host() || one.BridgeAddr() == two.BridgeAddr() {
		t.Fatalf("both engines at %s, %s", one.Host(), one.BridgeAddr())
	}
	a, b := engineID(t, one), engineID(t, two)
	if a == b {
		t.Fatalf("both sockets reach the engine %s", a)
	}
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	if got := engineID(t, one); got != a {
		t.Errorf("after closing its neighbour the engine is %s, want %s", got, a)
	}
}

func engineID(t *testing.T, e *Engine) string {
	t.Helper()
	return engineInfo(t, e).Swarm.Cluster.ID
}

func engineInfo(t *testing.T, e *Engine) system.Info {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	info, err := c.Info(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestStartFails(t *testing.T) {
	require(t, Available())
	broken := filepath.Join(t.TempDir(), "dockerd")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho the data root is on fire; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := inventory(t)
	_, err := Start(testContext(t), Options{Dockerd: broken})
	if err == nil || !strings.Contains(err.Error(), "the data root is on fire") {
		t.Errorf("the error is %v, want the daemon's last words in it", err)
	}
	sameAs(t, before)
}

func TestStartCancelled(t *testing.T) {
	require(t, Available())
	before := inventory(t)
	ctx, cancel := context.WithCancel(testContext(t))
	log := writerFunc(func(text []byte) { // the moment when the daemon starts
		if strings.Contains(string(text), "link") {
			cancel()
		}
	})
	if e, err := Start(ctx, Options{Log: log}); err == nil {
		t.Errorf("a cancelled start succeeded: %v", e.Close())
	}
	sameAs(t, before)
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// TestStorageFallsBack gives the engine a daemon that finds no storage driver itself.
func TestStorageFallsBack(t *testing.T) {
	require(t, Available())
	dockerd, err := chosenDockerd("")
	if err != nil {
		t.Fatal(err)
	}
	picky := filepath.Join(t.TempDir(), "dockerd")
	script := fmt.Sprintf(`#!/bin/sh
case "$*" in *"--storage-driver vfs"*) exec %s "$@";; esac
echo "failed to start daemon: error initializing graphdriver: driver not supported"
exit 1
`, dockerd)
	if err := os.WriteFile(picky, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if info := engineInfo(t, StartT(t, Options{Dockerd: picky})); info.Driver != "vfs" {
		t.Errorf("the storage driver is %q, want vfs", info.Driver)
	}
}

// TestStorage starts an engine where overlay2 cannot work, as in a container.
func TestStorage(t *testing.T) {
	require(t, Available())
	root := t.TempDir()
	script := `cd "$0" && mkdir fs merged && mount -t tmpfs none fs && mkdir fs/lower fs/upper fs/work &&
		mount -t overlay -o lowerdir=fs/lower,upperdir=fs/upper,workdir=fs/work none merged`
	t.Cleanup(func() { _ = unmount(root + "/merged"); _ = unmount(root + "/fs") })
	if _, err := run(testContext(t), "sh", "-c", script, root); err != nil {
		t.Fatal(err)
	}
	e := StartT(t, Options{Dir: root + "/merged/engine", Insecure: []string{"registry.test:5000"}})
	info := engineInfo(t, e)
	if info.Driver == "overlay2" {
		t.Errorf("the storage driver is %s on top of an overlay", info.Driver)
	}
	text, err := json.Marshal(info.RegistryConfig)
	if err != nil {
		t.Fatal(err)
	}
	link := netip.PrefixFrom(netip.MustParseAddr(e.NodeAddr()), 30).Masked().String()
	for _, want := range []string{"registry.test:5000", link} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the insecure registries lack %q: %s", want, text)
		}
	}
}
