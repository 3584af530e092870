package backups

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// past is an app with a backup, and with all of it other than that by now: the data, the env
// file, and the secret, whose version in the backup is gone from the swarm.
type past struct {
	*app
	run string
	env string
}

func newPast(t *testing.T, name string) *past {
	t.Helper()
	a := newApp(t, useStage(t), name)
	a.put("file", "restored")
	if err := os.WriteFile(filepath.Join(a.volume("data"), "noise"), noise(16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &past{app: a, run: a.backUp()}
	a.set("SECRET_TOKEN_VERSION=v2 # length=20", "PRE_HOOK=true")
	a.must("secret", "generate", a.domain)
	a.must("deploy", a.domain, "--yes")
	if err := a.api.SecretRemove(context.Background(), a.stack+"_token_v1"); err != nil {
		t.Fatal(err)
	}
	a.put("file", "before")
	p.env = read(t, a.envFile())
	return p
}

// isBefore wants all to be as it was before a restore.
func (p *past) isBefore() {
	p.t.Helper()
	p.runs()
	p.holds("file", "before")
	if now := read(p.t, p.envFile()); now != p.env {
		p.t.Errorf("the env file is\n%s\nit was\n%s", now, p.env)
	}
	if got, want := p.secrets(), []string{p.stack + "_token_v2"}; !slices.Equal(got, want) {
		p.t.Errorf("the secrets are %q, want %q", got, want)
	}
	if left := p.keptEnvs(); len(left) > 0 {
		p.t.Errorf("left beside the env file: %q", left)
	}
	p.must("verify", p.domain)
	p.leavesNothing()
}

// isRestored wants all to be as the backup has it.
func (p *past) isRestored() {
	p.t.Helper()
	p.runs()
	p.holds("file", "restored")
	if now := read(p.t, p.envFile()); !strings.Contains(now, "SECRET_TOKEN_VERSION=v1") {
		p.t.Errorf("the env file is\n%s", now)
	}
	if !slices.Contains(p.secrets(), p.stack+"_token_v1") {
		p.t.Errorf("the secrets are %q", p.secrets())
	}
	p.must("verify", p.domain)
	p.leavesNothing()
}

// keptEnvs are the env files that stand beside the app's.
func (p *past) keptEnvs() []string {
	p.t.Helper()
	all, err := filepath.Glob(p.envFile() + ".*")
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// held is what the copy of the volume data has in its file.
func (p *past) held() string {
	p.t.Helper()
	copies := p.copies()
	if len(copies) != 1 {
		p.t.Fatalf("the copies are %q, want one", copies)
	}
	return read(p.t, filepath.Join(p.data, "volumes", copies[0], "_data", "file"))
}

// TestRestoreUndone presses ctrl-C at each of a restore's stages, and restores a run whose
// env file has the app be ill: all is as it was, and what ran runs again.
func TestRestoreUndone(t *testing.T) {
	t.Parallel()
	p := newPast(t, "undone")
	interrupted := func(t *testing.T, stage string) exited {
		defer p.within(t)()
		g := p.start("restore", p.domain, p.run, "--yes")
		if !g.untilSaid(stage) {
			t.Fatalf("it never said %q: %v", stage, g.wait())
		}
		g.signal(os.Interrupt)
		e := g.wait()
		defer func() {
			if t.Failed() {
				t.Log(e)
			}
		}()
		p.isBefore()
		if copies := p.copies(); len(copies) > 0 {
			t.Errorf("copies are left: %q", copies)
		}
		return e
	}
	t.Run("ctrl-C at the stop", func(t *testing.T) {
		if e := interrupted(t, "stop service"); e.code != 5 { // it may come before the first write
			p.ended(e, 130, "nothing was changed")
		}
	})
	for _, stage := range []string{"copying what volume", "restore   volume data", "watch "} {
		t.Run("ctrl-C at "+stage, func(t *testing.T) {
			p.ended(interrupted(t, stage), 5, "interrupted", "the volumes hold what they held before, and what ran runs again")
		})
	}
	t.Run("deploy fails", func(t *testing.T) {
		defer p.within(t)()
		p.set("HEALTH=bad")
		sick := p.backUp("--without-secrets")
		p.set("HEALTH=good")
		p.exits(5, []string{"did not come up", "the volumes hold what they held before, and what ran runs again"}, "restore", p.domain, sick, "--yes", "--timeout", "6s")
		p.isBefore()
		if copies := p.copies(); len(copies) > 0 {
			t.Errorf("copies are left: %q", copies)
		}
	})
}

// TestRestoreKilled kills galley at random moments of a restore, again and again. Until one
// comes to its end nobody can deploy, the copies are of what was before the first, and
// --undo brings that back.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	p := newPast(t, "restoring")
	other := p.backUp("--without-secrets")
	kill := func(stage string, within time.Duration) exited {
		g := p.start("restore", p.domain, p.run, "--yes")
		if !g.untilSaid(stage) {
			t.Fatalf("it never said %q: %v", stage, g.wait())
		}
		moment := time.NewTimer(time.Duration(rand.Int64N(int64(within))))
		select {
		case <-moment.C:
		case <-g.ended:
		}
		g.signal(os.Kill)
		return g.wait()
	}
	for _, stage := range []string{"copying what volume", "restore   volume data"} {
		t.Log(kill(stage, 100*time.Millisecond))
		p.exits(3, []string{"a restore of run " + p.run, "did not end"}, "deploy", p.domain, "--yes")
		p.exits(3, []string{"did not end"}, "backup", "create", p.domain)
		p.exits(3, []string{"a restore of run " + p.run, "did not end"}, "restore", p.domain, other, "--yes")
		p.must("restore", p.domain, "--undo", "--yes")
		p.isBefore()
	}
	for range 6 {
		e := kill("stop service", 4*time.Second)
		t.Log(e)
		if e.code == 0 {
			t.Fatal("it came to its end: the test wants slower ones")
		}
	}
	e := p.restore(p.run)
	t.Log(e)
	p.isRestored()
	if got := p.held(); got != "before" {
		t.Errorf("the copy holds %q, want what was before the first restore", got)
	}
	if kept := p.keptEnvs(); len(kept) != 1 || read(t, kept[0]) != p.env {
		t.Errorf("kept beside the env file: %q", kept)
	}
}
