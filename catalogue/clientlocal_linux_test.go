package catalogue

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// tmpfs mounts a disk of so many kilobytes for a test. It skips where that is not
// allowed.
func tmpfs(t *testing.T, dir string, kilobytes int, flags uintptr) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("galley-test", dir, "tmpfs", flags, fmt.Sprintf("size=%dk,mode=0700", kilobytes)); err != nil {
		lacks(t, fmt.Sprintf("a small disk cannot be mounted: %v", err))
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
}

// TestClientDiskFull: whichever write finds the disk full, it is not the
// catalogue's fault, and with room again all is well.
func TestClientDiskFull(t *testing.T) {
	w := published(t)
	state := w.path("small")
	tmpfs(t, state, 4, 0)
	failed := 0
	for kilobytes := 4; kilobytes <= 64; kilobytes += 4 {
		remount(t, state, syscall.MS_REMOUNT, kilobytes)
		opts := ClientOptions{StateDir: state, CacheDir: state + "/cache"}
		_, err := w.open(w.path("public"), opts)
		if err == nil {
			continue
		}
		failed++
		wants(t, err, fault.Unavailable, "keeping what is trusted in")
		if !strings.Contains(fault.HintOf(err), "make room on that disk") || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%d kB: %v\nhint %q", kilobytes, err, fault.HintOf(err))
		}
	}
	if failed == 0 {
		t.Error("the disk was never full")
	}
	remount(t, state, syscall.MS_REMOUNT, 1024)
	opts := ClientOptions{StateDir: state, CacheDir: state + "/cache"}
	c, err := w.open(w.path("public"), opts)
	must(t, err)
	must(t, readAll(t.Context(), c))
	// A release later the disk is full, and then it is not.
	w.release()
	w.sign(start.Add(time.Hour))
	must(t, os.WriteFile(state+"/filler", make([]byte, 1), 0o600))
	fill(t, state+"/filler")
	_, err = w.open(w.path("public"), opts)
	wants(t, err, fault.Unavailable, "no space left")
	must(t, os.Remove(state+"/filler"))
	_, err = w.open(w.path("public"), opts)
	must(t, err)
}

func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	must(t, f.Close())
}

func remount(t *testing.T, dir string, flags uintptr, kilobytes int) {
	t.Helper()
	must(t, syscall.Mount("galley-test", dir, "tmpfs", flags, fmt.Sprintf("size=%dk", kilobytes)))
}

func TestClientReadOnlyState(t *testing.T) {
	w := published(t)
	fresh := w.path("fresh")
	tmpfs(t, fresh, 1024, syscall.MS_RDONLY)
	_, err := w.open(w.path("public"), ClientOptions{StateDir: fresh})
	wants(t, err, fault.Unavailable, "read-only file system")
	state := w.path("small")
	tmpfs(t, state, 1024, 0)
	_, err = w.open(w.path("public"), ClientOptions{StateDir: state})
	must(t, err)
	w.sign(start.Add(time.Hour))
	remount(t, state, syscall.MS_REMOUNT|syscall.MS_RDONLY, 1024)
	_, err = w.open(w.path("public"), ClientOptions{StateDir: state})
	wants(t, err, fault.Unavailable, "keeping what is trusted in")
	if !strings.Contains(fault.HintOf(err), "must be able to write there") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
}

func TestClientStateIsNoFolder(t *testing.T) {
	w := published(t)
	must(t, os.WriteFile(w.path("file"), nil, 0o600))
	_, err := w.open(w.path("public"), ClientOptions{StateDir: w.path("file/trust")})
	wants(t, err, fault.Unavailable, "keeping what is trusted in")
}
