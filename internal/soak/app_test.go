package soak

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

// app is one stack of the soak, with an operator of its own.
type app struct {
	*stage
	t          *testing.T
	galleyPath string
	recipe     string
	domain     string
	stack      string
	home       string
	proxy      *proxy
	references *references
	// base is what stood when the last whole state was seen: what a put-back must
	// bring, also after a deploy that did not end.
	base *state
	// current is the good version that stands, "" when it is none for sure.
	current string
}

func newApp(t *testing.T, s *stage, name, recipe string, r *references) *app {
	t.Helper()
	domain := name + ".example.org"
	dir := filepath.Join(s.dir, "apps", name)
	a := &app{
		stage: s, t: t, galleyPath: s.galley, recipe: recipe, domain: domain, stack: strings.ReplaceAll(domain, ".", "_"),
		home: filepath.Join(dir, "home"), references: r,
	}
	if err := os.MkdirAll(a.home, 0o700); err != nil {
		t.Fatal(err)
	}
	a.proxy = startProxy(t, dir, s.engine.Socket())
	ctx := t.Context()
	err := a.must(ctx, "new", recipe+":"+versions[0].name, "--domain", domain)
	if err == nil {
		err = a.must(ctx, "secret", "generate", domain)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.clean)
	return a
}

// clean takes the services off. What stays, the engine takes along when it ends.
func (a *app) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	now, err := observe(ctx, a.api, a.stack)
	if err != nil {
		a.t.Error(err)
		return
	}
	for _, x := range now.services {
		if err := a.api.ServiceRemove(ctx, x.ID); err != nil {
			a.t.Error(err)
		}
	}
}

// settled is the state once no task is on its way any more, or what it is after a
// while: what others did by hand may never settle.
func (a *app) settled(ctx context.Context) (*state, error) {
	for deadline := time.Now().Add(20 * time.Second); ; {
		s, err := observe(ctx, a.api, a.stack)
		if err != nil {
			return nil, err
		}
		down, err := s.up(ctx, a.api, a.images)
		if err == nil && len(down) == 0 || time.Now().After(deadline) {
			return s, nil
		}
		if err != nil && !errdefs.IsNotFound(err) {
			return nil, err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// ran is a step with all that is needed to judge it, and to tell of it.
type ran struct {
	step   step
	before *state // history and env files are compared with this one
	after  *state
	exits  []exited
	// envs are the versions that the env files named before, by home.
	envs    map[string]string
	acted   time.Time // when the fault was done, zero for one that found no moment
	ignore  tolerance
	note    string
	checked []string // what the step itself found false
	unwell  bool     // before, not all tasks ran
}

func (r *ran) say(format string, args ...any) {
	r.checked = append(r.checked, fmt.Sprintf(format, args...))
}

// run makes a step and judges it. What it returns is false; nothing when all is true.
func (a *app) run(ctx context.Context, s step) (*ran, []string) {
	r := &ran{step: s, envs: map[string]string{}}
	var err error
	if r.before, err = a.settled(ctx); err != nil {
		return r, []string{err.Error()}
	}
	if r.before.journal == "" {
		a.base = r.before
	}
	if r.step.target.name == a.current { // or little would happen
		r.step.target = r.step.target.following()
	}
	down, err := r.before.up(ctx, a.api, a.images)
	r.unwell = len(down) > 0 || err != nil
	if err := a.play(ctx, r); err != nil {
		return r, []string{"the step itself: " + err.Error()}
	}
	if r.after, err = observe(ctx, a.api, a.stack); err != nil {
		return r, []string{err.Error()}
	}
	wrong := append(r.checked, a.judge(ctx, r)...)
	return r, wrong
}

// recover brings a stack back that a deploy left between its states: the next clean
// deploy must do that.
func (a *app) recover(ctx context.Context, s step) (*ran, []string) {
	s.fault, s.target = none, good(s.pick)
	return a.run(ctx, s)
}

// needsRecovery tells a step that ended with the stack not back.
func (r *ran) needsRecovery() bool {
	return slices.ContainsFunc(r.exits, func(e exited) bool { return e.code == 6 }) || r.after != nil && r.after.journal != ""
}
