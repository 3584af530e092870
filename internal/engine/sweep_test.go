package engine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
)

// ownerEnv makes the test binary the owner of an engine instead of a test run.
const ownerEnv = "GALLEY_ENGINE_TEST_OWNER"

// own starts an engine, tells about it, and keeps it until its input ends or it is
// killed.
func own() int {
	var err error
	if os.Getenv(ownerEnv) == "cluster" {
		_, err = StartCluster(context.Background(), ClusterOptions{Managers: 1, Workers: 1, Log: os.Stdout})
	} else {
		_, err = Start(context.Background(), Options{Swarm: true, Log: os.Stdout})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0 // without Close: a killed owner does not close either
}

// TestOwnerKilled kills an owner with -9 at several points of a start, and sweeps.
func TestOwnerKilled(t *testing.T) {
	require(t, Available())
	for _, when := range []string{"starting", "link", "ready", "swarm"} {
		t.Run(when, func(t *testing.T) {
			before := inventory(t)
			r := killOwner(t, when)
			eventually(t, "the supervisor after its owner's death", func(context.Context) error {
				if r.Init.alive() {
					return fmt.Errorf("process %d runs", r.Init.PID)
				}
				return nil
			})
			if err := Sweep(testContext(t), ""); err != nil {
				t.Fatal(err)
			}
			sameAs(t, before)
		})
	}
}

// owner starts a process that owns an engine and waits until it says when. It returns
// the process and the engine's record.
func owner(t *testing.T, when string) (*exec.Cmd, record) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err := Sweep(testContext(t), ""); err != nil {
			t.Error(err)
		}
	})
	id := regexp.MustCompile(`^engine ([0-9a-f]{8}): (\w+)`)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		m := id.FindStringSubmatch(lines.Text())
		if m == nil {
			t.Fatalf("the owner says %q", lines.Text())
		}
		if m[2] == when {
			r, err := readRecord(filepath.Join(os.TempDir(), Marker+m[1]))
			if err != nil {
				t.Fatal(err)
			}
			return cmd, r
		}
	}
	t.Fatalf("the owner ended before it said %q", when)
	return nil, record{}
}

func killOwner(t *testing.T, when string) record {
	t.Helper()
	cmd, r := owner(t, when)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// Written between our reading and the kill: what Sweep will see.
	if last, err := readRecord(r.Dir); err == nil {
		return last
	}
	return r
}

// TestOwnerKilledWithContainers kills the owner of an engine that runs a service.
func TestOwnerKilledWithContainers(t *testing.T) {
	require(t, Available())
	before := inventory(t)
	cmd, r := owner(t, "swarm")
	runProbe(t, attach(t, r), swarm.PortConfigPublishModeHost)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if left := strings.Join(Left(before, inventory(t)), "\n"); !strings.Contains(left, "cgroup ") {
		t.Errorf("a killed owner left no cgroup for Sweep to remove: %q", left)
	}
	if err := Sweep(testContext(t), ""); err != nil {
		t.Fatal(err)
	}
	sameAs(t, before)
}

// attach makes a handle of an engine that another process owns.
func attach(t *testing.T, r record) *Engine {
	t.Helper()
	link, err := net.InterfaceByName(r.Link)
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := link.Addrs()
	if err != nil || len(addrs) == 0 {
		t.Fatalf("the link's addresses: %v, %v", addrs, err)
	}
	host := netip.MustParsePrefix(addrs[0].String()).Addr()
	return &Engine{
		rec: r, socket: filepath.Join(r.Dir, "sock"), arch: runtime.GOARCH,
		net: subnet{host: host, node: host.Next()},
	}
}

// TestSweepEndsSupervisor covers an owner's death that its supervisor did not notice.
func TestSweepEndsSupervisor(t *testing.T) {
	before := inventory(t)
	e := StartT(t, Options{})
	runner := exec.Command("true")
	if err := runner.Run(); err != nil {
		t.Fatal(err)
	}
	r := e.rec
	r.Owner = process{PID: runner.Process.Pid, Start: 1}
	if err := r.write(); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(testContext(t), ""); err != nil {
		t.Fatal(err)
	}
	sameAs(t, before)
	if e.rec.Init.alive() {
		t.Errorf("process %d runs", e.rec.Init.PID)
	}
}

func TestSweepSparesTheLiving(t *testing.T) {
	mine := shared.Get(t)
	_, theirs := owner(t, "swarm")
	if err := Sweep(testContext(t), ""); err != nil {
		t.Fatal(err)
	}
	engineID(t, mine)
	if !theirs.Init.alive() || !linkExists(theirs.Link) {
		t.Errorf("the engine %s of a living owner was swept", theirs.ID)
	}
	for _, line := range inventory(t) {
		if strings.Contains(line, theirs.ID) {
			t.Errorf("the inventory has %q of a living owner's engine", line)
		}
	}
}
