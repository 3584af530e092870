package backups

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kills is how often a backup is killed.
const kills = 10

// TestBackupKilled kills galley at random moments of a backup, in every second case with
// restic, in every fourth with stopped services. The next one succeeds, the one before
// is intact, and nothing is left at work.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	a := newApp(t, useStage(t), "killed", `PRE_HOOK=echo pre >>/notes/hooks; sleep 0.3; date >/data/dump`)
	a.put("file", "precious")
	if err := os.WriteFile(filepath.Join(a.volume("data"), "noise"), noise(24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	first := a.backUp()
	takes := time.Since(began)
	for n := range kills {
		args := []string{"backup", "create", a.domain}
		if n%4 == 3 {
			args = append(args, "--stop", "--without-secrets")
		}
		after := time.Duration(rand.Int64N(int64(takes)))
		p := a.start(args...)
		moment := time.NewTimer(after)
		select {
		case <-moment.C:
		case <-p.ended:
		}
		children := childrenOf(t, p.cmd.Process.Pid)
		p.signal(os.Kill)
		if n%2 == 1 {
			for _, pid := range children {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		t.Logf("%v killed after %v, children %v: code %d\n%s", args, after, children, p.wait().code, p.err.String())
		eventually(t, "the death of restic", func() bool {
			for _, pid := range children {
				if alive(pid) {
					return false
				}
			}
			return true
		})
	}
	last := a.backUp()
	a.leavesNothing()
	a.exits(0, []string{first}, "backup", "verify", a.domain, first)
	a.must("backup", "verify", a.domain, last)
	a.put("file", "spoiled")
	a.restore(first)
	a.holds("file", "precious")
	a.leavesNothing()
	a.must("backup", "prune", a.domain, "--keep-last", "1", "--yes") // wants the repository for itself
}

// noise is data that does not compress.
func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(data)
	return data
}

// childrenOf are the processes that a process has started.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	var children []int
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // none when it has ended
	for _, name := range tasks {
		for _, field := range strings.Fields(read(t, name)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// alive tells a process that has not ended: a zombie has.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
