package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/engine"
)

// limit is how long one demo may take; it takes half a minute.
const limit = 5 * time.Minute

// titles are what a whole demo shows, in order.
var titles = []string{
	"Two recipes in git are linted",
	"Every version becomes an entry of a signed catalogue",
	"An operator makes an app of it, and looks at the plan",
	"The deploy: pinned, watched, and compared with the entry",
	"An upgrade",
	"An upgrade that never becomes healthy: the whole stack is put back",
	"Somebody changes one byte of the published catalogue",
	"And off again",
}

// binary is galley as releases build it, made once for all tests of the package.
var binary = sync.OnceValues(func() (string, error) {
	name := filepath.Join(buildDir, "galley")
	build := exec.Command("go", "build", "-o", name, "github.com/galley-coop/galley/cmd/galley")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building galley: %w: %s", err, out)
	}
	return name, nil
})

var buildDir string

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "test-galley-built-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(buildDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// start runs galley demo with a temporary folder of its own, so that what it
// leaves, and what it sweeps, is its own. The environment is the caller's without
// what would lead it elsewhere.
func start(t *testing.T, tmp string, out io.Writer, change func(*exec.Cmd)) *exec.Cmd {
	t.Helper()
	galley, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, galley, "demo")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tmp, "HOME=" + tmp}
	command.Dir = tmp
	command.Stdout, command.Stderr = out, out
	if change != nil {
		change(command)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command
}

// whole runs a demo to its end and wants every title.
func whole(t *testing.T, tmp string) {
	t.Helper()
	var out bytes.Buffer
	if err := start(t, tmp, &out, nil).Wait(); err != nil {
		t.Fatalf("galley demo: %v\n%s", err, out.String())
	}
	rest := out.String()
	for _, title := range titles {
		_, after, ok := strings.Cut(rest, "\n"+title+"\n"+strings.Repeat("=", len(title))+"\n")
		if !ok {
			t.Fatalf("the title %q is not where it should be in\n%s", title, out.String())
		}
		rest = after
	}
	if !strings.Contains(rest, "demo: everything is removed again") {
		t.Errorf("the demo does not say that it removed everything:\n%s", rest)
	}
	if !strings.Contains(out.String(), "\n  no findings in 2 targets\n") { // as the README shows it
		t.Errorf("the sample recipes are not without findings:\n%s", out.String())
	}
}

// hostAndFolder lists what the host has, and what is in the temporary folder.
func hostAndFolder(t *testing.T, tmp string) []string {
	t.Helper()
	lines, err := engine.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		lines = append(lines, "file "+e.Name())
	}
	return withoutMachines(t, lines)
}

// machine begins the names of machines that other packages' tests start: of their cgroups,
// and of the processes that make them. Their links begin with machineLink.
const (
	machine     = "galley-bare"
	machineLink = "link gb"
)

// withoutMachines leaves out what is in such machines: they have engines, too.
func withoutMachines(t *testing.T, lines []string) []string {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	says := func(path string) bool { // what has ended says nothing
		text, err := os.ReadFile(path)
		return err == nil && bytes.Contains(text, []byte(machine))
	}
	space := func(proc, kind string) string {
		ns, _ := os.Readlink(filepath.Join(proc, "ns", kind))
		return ns
	}
	named, spaces := map[string]bool{}, map[string]bool{}
	for _, proc := range procs {
		if says(proc+"/cgroup") || says(proc+"/cmdline") {
			named[proc], spaces[space(proc, "pid")] = true, true
		}
	}
	delete(spaces, space("/proc/self", "pid"))
	theirs := map[string]bool{}
	for _, proc := range procs {
		if named[proc] || spaces[space(proc, "pid")] {
			theirs["process "+filepath.Base(proc)], theirs["netns "+space(proc, "net")] = true, true
		}
	}
	delete(theirs, "netns "+space("/proc/self", "net"))
	return slices.DeleteFunc(lines, func(line string) bool {
		words := strings.Fields(line)
		return strings.Contains(line, machine) || strings.HasPrefix(line, machineLink) || len(words) > 1 && theirs[words[0]+" "+words[1]]
	})
}

// nothingLeft waits for the kernel to finish with what has ended, and for other
// packages' tests, which also start engines.
func nothingLeft(t *testing.T, before []string, tmp string) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(200 * time.Millisecond) {
		if left = engine.Left(before, hostAndFolder(t, tmp)); len(left) == 0 {
			return
		}
	}
	t.Errorf("this is left:\n%s", strings.Join(left, "\n"))
}

// folder is a short temporary folder: sockets' paths are limited to 107 bytes.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func needEngine(t *testing.T) {
	t.Helper()
	err := engine.Available()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

func TestDemo(t *testing.T) {
	needEngine(t)
	tmp := folder(t)
	before := hostAndFolder(t, tmp)
	whole(t, tmp)
	nothingLeft(t, before, tmp)
}

// TestDemoAfterKill kills a demo in the middle of its upgrade: the next one
// removes what it left, and its own.
func TestDemoAfterKill(t *testing.T) {
	needEngine(t)
	tmp := folder(t)
	before := hostAndFolder(t, tmp)
	reader, writer := io.Pipe()
	command := start(t, tmp, writer, nil)
	go func() {
		_ = command.Wait()
		_ = writer.Close()
	}()
	var said []string
	reached := false
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		said = append(said, lines.Text())
		if lines.Text() == "An upgrade" {
			reached = true
			if err := command.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !reached {
		t.Fatalf("the demo ended before its upgrade:\n%s", strings.Join(said, "\n"))
	}
	if entries, err := os.ReadDir(tmp); err != nil || len(entries) == 0 {
		t.Fatalf("the killed demo left nothing, so this tests nothing; error %v", err)
	}
	whole(t, tmp)
	nothingLeft(t, before, tmp)
}

// TestDemoWithoutEngine runs the demo as a user who may not start an engine.
func TestDemoWithoutEngine(t *testing.T) {
	tmp := folder(t)
	const nobody = 65534
	if os.Geteuid() == 0 {
		for _, dir := range []string{tmp, buildDir} {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(tmp, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	} else if engine.Available() == nil {
		t.Skip("this user may start an engine")
	}
	var out bytes.Buffer
	command := start(t, tmp, &out, func(c *exec.Cmd) {
		if os.Geteuid() == 0 {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
	})
	if err := command.Wait(); err != nil {
		t.Fatalf("galley demo: %v\n%s", err, out.String())
	}
	for _, want := range append([]string{"demo: no private engine: a private engine needs root", "demo: the demo ends at the plan", "app plan greeter.demo.galley.example --fresh"}, titles[:3]...) {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing from\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), titles[3]) {
		t.Errorf("the demo went on without an engine:\n%s", out.String())
	}
	if entries, err := os.ReadDir(tmp); err != nil || len(entries) > 0 {
		t.Errorf("%v is left in the temporary folder, error %v", entries, err)
	}
}
