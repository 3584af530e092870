package backups

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

const (
	// largeVolume is how much the large volume holds, in bytes.
	largeVolume = 2 << 30
	// mostMemory is what galley and its helper may take for it.
	mostMemory = 100 << 20
)

// TestLargeVolume backs a volume of 2 GB up and restores it, and looks at what memory galley
// and its helpers take at most. Pages of files that the kernel keeps are not theirs.
func TestLargeVolume(t *testing.T) {
	t.Parallel()
	a := newApp(t, useStage(t), "large")
	writeLarge(t, filepath.Join(a.volume("data"), "large"))
	run := ""
	a.within100MB("backup", "pack", func() *process { return a.start("backup", "create", a.domain, "--without-secrets") }, func(e exited) {
		run = regexp.MustCompile(`run ([0-9TZ]+-[0-9a-f]+)`).FindStringSubmatch(e.out)[1]
	})
	a.loseVolume("data")
	a.within100MB("restore", "unpack", func() *process { return a.start("restore", a.domain, run, "--yes") }, func(e exited) {
		if !strings.Contains(e.out, "converged, 1 container verified") {
			t.Error(e)
		}
	})
	if !sameLarge(t, filepath.Join(a.volume("data"), "large")) {
		t.Error("the volume has not come back as it was")
	}
}

// piece is one of the pieces of the large file. Each is another, but they have more in common
// than they differ: what is measured is the way of the data, and not restic's work on it.
func piece(n int) []byte {
	data := bytes.Clone(pieces())
	copy(data[len(data)/2:], fmt.Sprintf("piece %d", n))
	return data
}

var pieces = sync.OnceValue(func() []byte { return noise(32 << 20) })

func writeLarge(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for n := range largeVolume / len(pieces()) {
		if err == nil {
			_, err = f.Write(piece(n))
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func sameLarge(t *testing.T, name string) bool {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, len(pieces()))
	for n := range largeVolume / len(buf) {
		if _, err := f.ReadAt(buf, int64(n*len(buf))); err != nil || !bytes.Equal(buf, piece(n)) {
			return false
		}
	}
	info, err := f.Stat()
	return err == nil && info.Size() == largeVolume
}

// within100MB runs galley to its end and has an eye on its memory and on that of the helper
// that does what.
func (a *app) within100MB(name, what string, start func() *process, then func(exited)) {
	a.t.Helper()
	began := time.Now()
	p := start()
	own, helper, helperPID := int64(0), int64(0), 0
	for ended := false; !ended; {
		own = max(own, peak(p.cmd.Process.Pid))
		if helperPID == 0 {
			helperPID = a.helperPID("carry " + what)
		}
		helper = max(helper, peak(helperPID))
		select {
		case <-p.ended:
			ended = true
		case <-time.After(20 * time.Millisecond): // its peak is told as long as it lives
		}
	}
	e := a.ended(p.wait(), 0)
	a.t.Logf("%s within %v: galley took %d MB, its helper %d MB", name, time.Since(began), own>>20, helper>>20)
	if own == 0 || own > mostMemory {
		a.t.Errorf("%s: galley took %d bytes, want at most %d: %v", name, own, mostMemory, e)
	}
	if helper == 0 || helper > mostMemory {
		a.t.Errorf("%s: the helper took %d bytes, want at most %d: %v", name, helper, mostMemory, e)
	}
	then(e)
}

// peak is the most memory that a process ever had at once (proc(5), VmHWM), without files
// that it has mapped; 0 when it has ended.
func peak(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if pid == 0 || err != nil {
		return 0
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64) // digits
	return kilobytes << 10
}

// helperPID is the process of the helper that does what, 0 for none.
func (a *app) helperPID(what string) int {
	a.t.Helper()
	all, err := a.local.ContainerList(context.Background(), container.ListOptions{Filters: label("galley.carrier=" + a.stack)})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, c := range all {
		if !strings.Contains(c.Command, what) {
			continue
		}
		groups, _ := filepath.Glob("/proc/[0-9]*/cgroup") // the engine counts processes in a space of its own
		for _, name := range groups {
			if data, err := os.ReadFile(name); err == nil && strings.Contains(string(data), c.ID) {
				pid, _ := strconv.Atoi(strings.Split(name, "/")[2]) // digits
				if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.HasPrefix(string(line), "/galley\x00carry") {
					return pid
				}
			}
		}
	}
	return 0
}
