package bare

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// storyTime is how long .ci/bare may take where others work beside it. An idle machine
// needs two to three minutes.
const storyTime = 15 * time.Minute

// TestFromBareMachineToRestoredApp runs .ci/bare: bare Debian machines become a swarm
// whose app, with a real PostgreSQL, is deployed, backed up, destroyed and restored. It
// shows that nothing of it is left on this host afterwards.
func TestFromBareMachineToRestoredApp(t *testing.T) {
	if err := Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	runtime.LockOSThread() // the signal below comes when the thread ends, not the process
	defer runtime.UnlockOSThread()
	before := leftovers(t)
	dir := t.TempDir()
	cmd := exec.Command("../../.ci/bare")
	cmd.Env = append(cmd.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	timer := time.AfterFunc(storyTime, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer timer.Stop()
	err := cmd.Run()
	t.Logf("%s", out.String())
	if err != nil {
		t.Fatalf(".ci/bare: %v", err)
	}
	if !strings.Contains(out.String(), "shown: from bare machines to a restored app with 10000 rows") {
		t.Error("it did not come to its end")
	}
	if after := leftovers(t); after != before {
		t.Errorf("left behind, before:\n%s\nafter:\n%s", before, after)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left in its directory: %v, %v", entries, err)
	}
}

// leftovers are what sites could leave on the host outside of their directory.
func leftovers(t *testing.T) string {
	t.Helper()
	links, err := filepath.Glob("/sys/class/net/gb*")
	if err != nil {
		t.Fatal(err)
	}
	groups, err := filepath.Glob("/sys/fs/cgroup/*/" + idPrefix + "*")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "galley-bare") {
			found = append(found, line)
		}
	}
	return strings.Join(append(append(links, groups...), found...), "\n")
}
