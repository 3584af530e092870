package restic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// wants fails the test unless err is of the problem, with a hint, in one line.
func wants(t *testing.T, err error, problem Problem) {
	t.Helper()
	if !Is(err, problem) {
		t.Fatalf("the error is %v, expected problem %d", err, problem)
	}
	if fault.HintOf(err) == "" || strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 700 {
		t.Errorf("error %q with the hint %q", err, fault.HintOf(err))
	}
}

func TestTruncatedStreamIsNotStored(t *testing.T) {
	r, p := fresh(t)
	part := noise(2, 5<<20)
	broken := errors.New("the volume went away")
	give := func(w io.Writer) {
		if _, err := w.Write(part); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	for name, source := range map[string]func(io.Writer) error{
		"fails":         func(w io.Writer) error { give(w); return broken },
		"fails at once": func(io.Writer) error { return broken },
		"exits":         func(w io.Writer) error { give(w); runtime.Goexit(); return nil },
	} {
		if _, err := r.Store(t.Context(), StoreOptions{File: "/x"}, source); err == nil || name != "exits" && !errors.Is(err, broken) {
			t.Errorf("a source that %s: %v", name, err)
		}
	}
	_, err := r.Store(ctx, StoreOptions{File: "/x"}, func(w io.Writer) error {
		give(w)
		cancel()
		<-ctx.Done()
		return nil // it has not noticed: what it wrote may be all, and nobody wants it
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	func() {
		defer func() {
			if cause := recover(); cause != "a bug" {
				t.Errorf("the panic is %v", cause)
			}
		}()
		_, err := r.Store(t.Context(), StoreOptions{File: "/x"}, func(w io.Writer) error { give(w); panic("a bug") })
		t.Errorf("no panic, %v", err)
	}()
	count(t, r, 1)
	p.intact(t, r)
}

func TestWrongPassword(t *testing.T) {
	r, _ := fresh(t)
	right := r.PasswordFile
	r.PasswordFile = filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(r.PasswordFile, []byte("wrong-horse-battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, r.Open(t.Context()), WrongPassword)
	_, err := r.Store(t.Context(), StoreOptions{File: "/x"}, giving(noise(3, 3<<20)))
	wants(t, err, WrongPassword)
	r.PasswordFile = filepath.Join(t.TempDir(), "nowhere")
	wants(t, r.Open(t.Context()), NoPassword)
	r.PasswordFile = ""
	wants(t, r.Open(t.Context()), NoPassword) // restic would ask
	r.PasswordCommand = "cat " + right
	if err := r.Open(t.Context()); err != nil {
		t.Errorf("with a command for the password: %v", err)
	}
	wants(t, r.Init(t.Context()), AlreadyThere)
	r.URL += "-not-there"
	wants(t, r.Open(t.Context()), NoRepository)
}

func TestProgramThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "restic")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho 'restic 0.13.1 compiled with go1.18 on linux/amd64'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := Repository{URL: dir, PasswordFile: old, Program: old}
	wants(t, r.Open(t.Context()), TooOld)
	r.Program = "restic-is-not-here"
	_, err := r.Store(t.Context(), StoreOptions{File: "/x"}, func(io.Writer) error { t.Error("the source was started"); return nil })
	wants(t, err, NotInstalled)
	for said, want := range map[string]bool{
		"restic 0.14.0 compiled": false, "restic 0.9.6": true, "restic 0.18.1": false, "restic 1.0.0": false, "restic v0.17.0-dev": false, "who": false,
	} {
		if tooOld(said) != want {
			t.Errorf("%q is too old: %v", said, !want)
		}
	}
}

func TestRepositoryUnreachable(t *testing.T) {
	needRestic(t)
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r, err := repositoryIn(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r.URL = fmt.Sprintf("rest:http://ada:fLy-2-mOOn@%s/", listener.Addr()) // connections are taken, and never answered
	r.Patience = 5 * time.Second                                           // one for small requests
	_, err = r.Snapshots(t.Context(), Filter{})
	wants(t, err, Stalled)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := r.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	r.Patience = 0
	_, err = r.Store(t.Context(), StoreOptions{File: "/x"}, giving(noise(3, 3<<20)))
	wants(t, err, Unreachable)
	if text := err.Error() + fault.HintOf(err); strings.Contains(text, "fLy") || !strings.Contains(text, listener.Addr().String()) {
		t.Errorf("the error is %s", text)
	}
}

func TestHangingBackendEnds(t *testing.T) {
	r, p := fresh(t)
	server := serveREST(t, r.URL)
	r.URL = server.url("ada:fLy-2-mOOn")
	stored, err := r.Store(t.Context(), StoreOptions{File: "/first"}, giving(noise(4, 2<<20)))
	if err != nil {
		t.Fatal(err)
	}
	server.hangs.Store(true)
	r.Patience, r.grace = 2*time.Second, time.Second
	_, err = r.Store(t.Context(), StoreOptions{File: "/second"}, func(w io.Writer) error {
		_, err := io.Copy(w, rand.NewChaCha8([32]byte{5})) // endless
		return err
	})
	wants(t, err, Stalled)
	if strings.Contains(err.Error(), "fLy") {
		t.Errorf("the error is %v", err)
	}
	// Nothing comes to be stored: a source that waits for what does not come.
	server.hangs.Store(false)
	_, err = r.Store(t.Context(), StoreOptions{File: "/third"}, func(w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 1)); err != nil {
				return err
			}
			<-time.After(r.Patience * 3 / 2)
		}
	})
	if !Is(err, Stalled) || !strings.Contains(err.Error(), "nothing came") {
		t.Errorf("of a source that is silent: %v", err)
	}
	r.Patience = 0
	if all := count(t, r, 2); !strings.HasPrefix(all[1].ID, stored.Snapshot) {
		t.Errorf("the second snapshot is %+v", all[1])
	}
	p.intact(t, r)
}

// TestRepositoryFull runs itself in a mount namespace of its own.
func TestRepositoryFull(t *testing.T) {
	needRestic(t)
	const inside = "GALLEY_TEST_MOUNTS"
	if os.Getenv(inside) == "" {
		t.Parallel()
		if os.Getuid() != 0 && os.Getenv("CI") != "true" {
			t.Skip("only root can mount")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestRepositoryFull$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	r, p := fresh(t)
	small := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", small, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) }() // it ends with the namespace anyway
	if err := os.CopyFS(filepath.Join(small, "repository"), os.DirFS(r.URL)); err != nil {
		t.Fatal(err)
	}
	r.URL = filepath.Join(small, "repository")
	_, err := r.Store(t.Context(), StoreOptions{File: "/x"}, giving(noise(6, 20<<20)))
	wants(t, err, NoSpace)
	// To the last byte: not even a lock can be written.
	fill := filepath.Join(small, "fill")
	if err := os.WriteFile(fill, make([]byte, 8<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling: %v", err)
	}
	_, err = r.Store(t.Context(), StoreOptions{File: "/x"}, giving(noise(7, 1<<10)))
	wants(t, err, NoSpace)
	count(t, r, 1)
	p.intact(t, r)
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	if err := r.Prune(t.Context()); err != nil { // what was left of the streams that had no room
		t.Fatal(err)
	}
	if _, err := r.Store(t.Context(), StoreOptions{File: "/x"}, giving(noise(7, 1<<20))); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

// awaitLock waits until a lock was written.
func awaitLock(t *testing.T, dir string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		locks, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, lock := range locks {
			if !strings.Contains(lock.Name(), "-tmp-") {
				return
			}
		}
	}
	t.Fatal("nobody locks the repository")
}

// TestLockedRepositoryIsTriedAgain has another restic hold the repository for itself.
func TestLockedRepositoryIsTriedAgain(t *testing.T) {
	r, p := fresh(t)
	held, err := r.start(t.Context(), time.Hour, nil, func(out io.Reader) error {
		_, err := io.Copy(io.Discard, out)
		return err
	}, "check", "--read-data")
	if err != nil {
		t.Fatal(err)
	}
	awaitLock(t, filepath.Join(r.URL, "locks"))
	if err := held.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	impatient := *r
	impatient.LockWait = -1
	_, err = impatient.Store(t.Context(), StoreOptions{File: "/x"}, giving(p.data))
	wants(t, err, Locked)
	told := 0
	r.Notify = func(line string) {
		told++
		if !strings.Contains(line, "locked") {
			t.Errorf("told %q", line)
		}
		if err := held.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
		if err := held.wait(); err != nil {
			t.Errorf("the one with the lock: %v", err)
		}
	}
	data, runs := noise(8, 4<<20), 0
	stored, err := r.Store(t.Context(), StoreOptions{File: preparedFile}, func(w io.Writer) error { runs++; return giving(data)(w) })
	if err != nil || told != 1 || runs != 1 {
		t.Fatalf("%v; told %d times, the source ran %d times", err, told, runs)
	}
	prepared{snapshot: stored.Snapshot, data: data}.intact(t, r)
}

// TestDeadHolderIsNotWaitedFor has a restic hold the repository that was killed, and of
// whose end its parent has not heard yet: restic takes it for alive until then.
func TestDeadHolderIsNotWaitedFor(t *testing.T) {
	r, _ := fresh(t)
	held := exec.Command("restic", "check", "--read-data")
	held.Env = r.environ()
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	awaitLock(t, filepath.Join(r.URL, "locks"))
	if err := held.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	told := 0
	r.LockWait = 30 * time.Second
	r.Notify = func(string) {
		told++
		_ = held.Wait()
	}
	if err := r.Check(t.Context(), false); err != nil || told != 1 {
		t.Errorf("%v; told %d times", err, told)
	}
}
