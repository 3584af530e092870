package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// play makes the deploy of a step, with its fault.
func (a *app) play(ctx context.Context, r *ran) error {
	r.envs[a.home] = a.version(a.home)
	switch s := r.step; s.fault {
	case undeploy:
		return a.playUndeploy(ctx, r)
	case noChange:
		return a.playNoChange(ctx, r)
	case interruptOnce, interruptTwice, interruptThrice:
		return a.playInterrupt(ctx, r, map[fault]int{interruptOnce: 1, interruptTwice: 2, interruptThrice: 3}[s.fault])
	case killed:
		return a.playKill(ctx, r)
	case slowNetwork, cutNetwork, lostAnswers:
		how := map[fault]cut{slowNetwork: stalling, cutNetwork: resetting, lostAnswers: forgetting}[s.fault]
		return a.playActed(ctx, r, func(context.Context) error { return a.playCut(ctx, s, how) })
	case foreignLabels, foreignScale, foreignRollback, lockRemoved, configRemoved, serviceRemoved:
		return a.playActed(ctx, r, func(ctx context.Context) error { return a.byOtherHands(ctx, r) })
	case spoiled, registryDown:
		return a.playRegistry(ctx, r)
	case closedOutput:
		return a.playOne(ctx, r, invocation{closed: true, text: s.pick%2 == 0})
	case readOnly:
		return a.playOne(ctx, r, invocation{unshared: filepath.Dir(a.envFile(a.home))})
	case tampered:
		return a.playTampered(ctx, r)
	case twins:
		return a.playTwins(ctx, r)
	}
	return a.playOne(ctx, r, invocation{})
}

func (a *app) playOne(ctx context.Context, r *ran, how invocation) error {
	p, err := a.deploy(ctx, how, r.step.target)
	if err != nil {
		return err
	}
	return r.end(p)
}

// end waits for a process and keeps what became of it.
func (r *ran) end(p *process) error {
	e, err := p.wait()
	r.exits = append(r.exits, e)
	return err
}

func (a *app) playUndeploy(ctx context.Context, r *ran) error {
	p, err := a.start(ctx, invocation{}, "undeploy", a.domain, "--yes")
	if err != nil {
		return err
	}
	return r.end(p)
}

// playNoChange deploys what stands: no task may be replaced.
func (a *app) playNoChange(ctx context.Context, r *ran) error {
	if a.current == "" {
		r.note = "nothing stands that could stay"
		return a.playOne(ctx, r, invocation{})
	}
	for _, v := range versions {
		if v.name == a.current {
			r.step.target = v
		}
	}
	if err := a.playOne(ctx, r, invocation{}); err != nil {
		return err
	}
	after, err := observe(ctx, a.api, a.stack)
	if err != nil {
		return err
	}
	for id, tasks := range r.before.tasks {
		if len(after.tasks[id]) > len(tasks) {
			r.say("a deploy that changes nothing made new tasks of service %s", id)
		}
	}
	return nil
}

// moment waits for a step's moment. It is false when galley ended before.
func (a *app) moment(ctx context.Context, s step, reached <-chan struct{}, p *process) bool {
	select {
	case <-reached:
	case <-p.ended:
		return false
	case <-ctx.Done():
		return false
	}
	timer := time.NewTimer(s.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ended:
	case <-ctx.Done():
	}
	return false
}

// playActed deploys, and does something when the step's moment has come.
func (a *app) playActed(ctx context.Context, r *ran, act func(context.Context) error) error {
	reached := a.proxy.after(r.step.write)
	p, err := a.deploy(ctx, invocation{}, r.step.target)
	if err != nil {
		return err
	}
	if a.moment(ctx, r.step, reached, p) {
		err = act(ctx)
		if err == nil {
			r.acted = time.Now()
		} else {
			r.note, err = "nothing was done: "+err.Error(), nil
		}
	}
	return errors.Join(err, r.end(p))
}

// playCut damages the way to the engine for a while.
func (a *app) playCut(ctx context.Context, s step, how cut) error {
	a.proxy.damage(how)
	defer a.proxy.heal()
	return pause(ctx, s.last)
}

func (a *app) playInterrupt(ctx context.Context, r *ran, times int) error {
	reached := a.proxy.after(r.step.write)
	p, err := a.deploy(ctx, invocation{}, r.step.target)
	if err != nil {
		return err
	}
	if a.moment(ctx, r.step, reached, p) {
		for i := range times {
			if i > 0 {
				_ = pause(ctx, r.step.last/4)
			}
			_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
			r.acted = time.Now()
		}
	}
	return r.end(p)
}

// playKill kills a deploy, looks at what that left, and deploys again: the second
// is the one that is judged. Where the killed one left no journal the stack must be
// whole.
func (a *app) playKill(ctx context.Context, r *ran) error {
	reached := a.proxy.after(r.step.write)
	p, err := a.deploy(ctx, invocation{}, r.step.target)
	if err != nil {
		return err
	}
	if !a.moment(ctx, r.step, reached, p) {
		r.note = "it ended before it was killed"
		return r.end(p)
	}
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.ended
	r.acted = time.Now()
	left, err := observe(ctx, a.api, a.stack)
	if err != nil {
		return err
	}
	r.note = fmt.Sprintf("killed on the way to %s; lock left %v, journal left %v", r.step.target.name, left.lock != "", left.journal != "")
	if left.journal == "" {
		old, new := differences(a.base, left, tolerance{}), left.isVersion(r.step.target, a.stack, a.recipe, a.images, tolerance{})
		if len(old) > 0 && len(new) > 0 {
			r.say("killed without a journal, and between the states: %s; %s", strings.Join(old, "; "), strings.Join(new, "; "))
		}
		a.base = left
	}
	r.before, r.envs[a.home] = left, a.version(a.home)
	r.step.target = r.step.next
	return a.playOne(ctx, r, invocation{})
}

// playTwins lets two operators deploy two versions at the same moment.
func (a *app) playTwins(ctx context.Context, r *ran) error {
	home, err := a.secondHome("other")
	if err != nil {
		return err
	}
	r.envs[home] = a.version(home)
	first, err := a.deploy(ctx, invocation{}, r.step.target)
	if err != nil {
		return err
	}
	_ = pause(ctx, r.step.delay/20)
	second, err := a.deploy(ctx, invocation{home: home}, r.step.next)
	if err != nil {
		return err
	}
	r.acted = time.Now()
	return errors.Join(r.end(first), r.end(second))
}
