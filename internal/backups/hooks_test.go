package backups

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// hooked is an app whose pre-hook is what the file /notes/pre says, and of whose volume
// one file is backed up.
func hooked(t *testing.T, name string) *app {
	t.Helper()
	return newApp(t, useStage(t), name, "PRE_HOOK=. /notes/pre", "DATA_PATH=dump")
}

// hook says what the pre-hook does.
func (a *app) hook(script string) {
	a.t.Helper()
	if err := write(filepath.Join(a.volume("notes"), "pre"), script); err != nil {
		a.t.Fatal(err)
	}
}

// backupFails wants a backup to fail for a reason, the post-hook to run, and nothing to be
// left.
func (a *app) backupFails(words []string, flags ...string) {
	a.t.Helper()
	before := a.hooks()
	a.exits(3, words, append([]string{"backup", "create", a.domain, "--without-secrets"}, flags...)...)
	if got := a.hooks() - before; got != 1 {
		a.t.Errorf("%d post-hooks ran, want 1", got)
	}
	a.leavesNothing()
}

// TestHooksFail has hooks break in every way: the backup does, too.
func TestHooksFail(t *testing.T) {
	t.Parallel()
	a := hooked(t, "hooks")
	a.put("big", strings.Repeat("many lines\n", 100_000))
	for _, c := range []struct {
		name, script string
		words        []string
		flags        []string
	}{
		{"hangs", "sleep 1001 & sh -c 'sleep 1002; true'", []string{`the pre-hook of service "app" did not end within 2s`}, []string{"--hook-timeout", "2s"}},
		{"fails", "echo no room >&2; exit 3", []string{`the pre-hook of service "app" ended with 3: no room`}, nil},
		{"pipe", "false | busybox gzip >/data/dump", []string{"ended with 1"}, nil},
		{"pipe in a shell", "sh -c 'false | busybox gzip >/data/dump'", []string{"ended with 1"}, nil},
		{"cut off", "cat /data/big | busybox head -c 5 >/data/dump", []string{"ended with 141"}, nil},
		{"killed", "sh -c 'echo half; kill -9 $$' | cat >/data/dump", []string{"ended with 137"}, nil},
		{"empty", ": >/data/dump", []string{"dump in volume", "holds nothing"}, nil},
		{"missing", "rm -f /data/dump", []string{`"dump" is not in the folder`}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer a.within(t)()
			a.hook(c.script)
			a.backupFails(c.words, c.flags...)
			if left := a.processes(); strings.Contains(left, "sleep 100") {
				t.Errorf("left in the container:\n%s", left)
			}
		})
	}
	a.hook("echo dump >/data/dump")
	run := a.backUp("--without-secrets")
	a.put("dump", "spoiled")
	a.put("other", "kept")
	a.restore(run)
	a.holds("dump", "dump\n")
	a.holds("other", "kept")
}

// TestHookSurvivesItsGalley kills galley while a hook runs: the hook goes on, and must not
// write into what the next one writes.
func TestHookSurvivesItsGalley(t *testing.T) {
	t.Parallel()
	a := hooked(t, "survivor")
	a.hook("touch /notes/waiting; sleep 1003; echo late >>/data/dump")
	p := a.start("backup", "create", a.domain, "--without-secrets")
	waiting := filepath.Join(a.volume("notes"), "waiting")
	eventually(t, "the hook", func() bool { _, err := os.Stat(waiting); return err == nil })
	p.signal(os.Kill)
	p.wait()
	if now := a.processes(); !strings.Contains(now, "sleep 1003") {
		t.Fatalf("the hook has ended with galley:\n%s", now)
	}
	a.hook("echo dump >/data/dump")
	a.backUp("--without-secrets")
	if left := a.processes(); strings.Contains(left, "sleep 1003") {
		t.Errorf("left in the container:\n%s", left)
	}
	a.leavesNothing()
}

// TestHelperSurvivesItsGalley kills galley while a helper works: it goes on, and the next
// galley ends it, be it one that reads, one that writes, or the service that has the
// secrets.
func TestHelperSurvivesItsGalley(t *testing.T) {
	t.Parallel()
	a := newApp(t, useStage(t), "helper")
	a.put("file", "precious")
	if err := os.WriteFile(filepath.Join(a.volume("data"), "noise"), bytes.Repeat(noise(16<<20), 10), 0o600); err != nil { // it takes a moment
		t.Fatal(err)
	}
	run := a.backUp()
	a.put("file", "before")
	killed := func(what string, args ...string) {
		p := a.start(args...)
		a.pauseHelper(what)
		p.signal(os.Kill)
		p.wait()
		if left := a.helpers(); len(left) != 1 || !strings.Contains(left[0], what) {
			t.Errorf("the helpers are %q, want the one that does %q", left, what)
		}
	}
	killed("carry pack", "backup", "create", a.domain, "--without-secrets")
	a.backUp("--without-secrets")
	a.leavesNothing()

	p := a.start("backup", "create", a.domain)
	eventually(t, "the service with the secrets", func() bool {
		return slices.ContainsFunc(a.helpers(), func(h string) bool { return strings.HasPrefix(h, "service galley_secrets_") })
	})
	p.signal(os.Kill)
	p.wait()
	a.backUp("--without-secrets")
	a.leavesNothing()

	killed("carry copy", "restore", a.domain, run, "--yes")
	a.must("restore", a.domain, "--undo", "--yes")
	a.holds("file", "before")
	a.leavesNothing()

	killed("carry unpack", "restore", a.domain, run, "--yes")
	a.restore(run)
	a.holds("file", "precious")
	a.leavesNothing()
}

// TestContainerReplaced kills the container that a hook ran in, while the hook runs and
// while what it wrote is read: what it prepared may be half of it.
func TestContainerReplaced(t *testing.T) {
	t.Parallel()
	a := hooked(t, "replaced")
	waiting := filepath.Join(a.volume("notes"), "waiting")
	t.Run("in the hook", func(t *testing.T) {
		defer a.within(t)()
		a.hook("echo half >/data/dump; touch /notes/waiting; sleep 1004")
		p := a.start("backup", "create", a.domain, "--without-secrets")
		eventually(t, "the hook", func() bool { _, err := os.Stat(waiting); return err == nil })
		a.kill(a.container())
		a.ended(p.wait(), 3, "pre-hook", "ended with 137")
		a.leavesNothing()
	})
	a.runs()
	t.Run("in the reading", func(t *testing.T) {
		defer a.within(t)()
		a.hook("cat /data/noise >/data/dump")
		if err := os.WriteFile(filepath.Join(a.volume("data"), "noise"), noise(16<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		was := a.container()
		p := a.start("backup", "create", a.domain, "--without-secrets")
		helper := a.pauseHelper("carry pack")
		a.kill(was)
		a.runs()
		if err := a.local.ContainerUnpause(context.Background(), helper); err != nil {
			t.Fatal(err)
		}
		a.ended(p.wait(), 3, `the container of service "app" was replaced during the backup`)
		a.leavesNothing()
	})
	if runs := a.must("backup", "ls", a.domain, "-o", "json").out; strings.Contains(runs, `"complete":true`) {
		t.Errorf("there is a complete run: %s", runs)
	}
}

// kill kills a container; swarm starts another.
func (a *app) kill(id string) {
	a.t.Helper()
	if err := a.local.ContainerKill(context.Background(), id, "KILL"); err != nil {
		a.t.Fatal(err)
	}
	eventually(a.t, "the container's end", func() bool { return a.container() != id })
}

// runs waits until the app has a healthy container.
func (a *app) runs() {
	a.t.Helper()
	eventually(a.t, "a healthy container", func() bool {
		id := a.container()
		if id == "" {
			return false
		}
		c, err := a.local.ContainerInspect(context.Background(), id)
		return err == nil && c.State != nil && c.State.Health != nil && c.State.Health.Status == container.Healthy
	})
}

// pauseHelper stops the helper that does something in its tracks.
func (a *app) pauseHelper(what string) (id string) {
	a.t.Helper()
	eventually(a.t, "the helper that does "+what, func() bool {
		all, err := a.local.ContainerList(context.Background(), container.ListOptions{Filters: label("galley.carrier=" + a.stack)})
		if err != nil {
			a.t.Fatal(err)
		}
		for _, c := range all {
			if strings.Contains(c.Command, what) && a.local.ContainerPause(context.Background(), c.ID) == nil {
				id = c.ID
				return true
			}
		}
		return false
	})
	return id
}
