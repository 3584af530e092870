// Package demo runs galley's whole chain for someone who has just cloned it:
// recipes in git, lint, a signed catalogue, a verified deploy on a swarm, an
// upgrade, one that fails and is put back, a catalogue that was tampered with.
//
// It runs the galley binary as a user would, and prints every command that it
// runs. Nothing is pulled from outside: the registry is this process, and the
// app is galley's own binary. It starts an engine of its own and does not touch
// a user's swarm unless told to, and removes all it made, at the latest in the
// next run.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
)

// Options tell the demo where it runs.
type Options struct {
	// Self is the galley binary that is run, and that the sample app's image holds.
	Self string
	// UseEngine deploys to the engine that docker itself would talk to, instead
	// of a private one.
	UseEngine bool
	Out, Err  io.Writer
}

// The app that the demo deploys. Its stack name is made of the domain.
const (
	domain = "greeter.demo.galley.example"
	stack  = "greeter_demo_galley_example"
)

// stage is one run of the demo.
type stage struct {
	Options
	home     string // everything the demo writes to disk is below it
	registry *localregistry.Registry
	engine   *engine.Engine // nil without a private one
	host     string         // of the engine, "" when there is none to deploy to
	started  time.Time
}

// Run plays the demo. The error is of the step that did not do what it should.
func Run(ctx context.Context, o Options) (err error) {
	runtime.LockOSThread() // see dieTogether
	defer runtime.UnlockOSThread()
	s := &stage{Options: o, started: time.Now()}
	defer func() {
		closing := s.close(err == nil)
		if err != nil && closing != nil { // the step's error is the one that counts
			s.note("not everything could be removed; the next demo tries again: %v", closing)
			return
		}
		err = errors.Join(err, closing)
	}()
	if err := s.open(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.lint, s.publish, s.plan} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if s.host == "" {
		return nil
	}
	for _, step := range []func(context.Context) error{s.deploy, s.upgrade, s.fail, s.tamper, s.undeploy} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// open clears what a killed run left, and sets the stage: a folder, an engine, a
// registry with the sample app's images, the recipes' repositories.
func (s *stage) open(ctx context.Context) error {
	if err := sweep(ctx); err != nil {
		return fmt.Errorf("clearing after an earlier demo: %w", err)
	}
	home, err := claim()
	if err != nil {
		return err
	}
	s.home = home.dir
	binary, err := sampleBinary(s.Self)
	if err != nil {
		return err
	}
	if err := s.openEngine(ctx); err != nil {
		return err
	}
	if err := s.openRegistry(ctx, binary); err != nil {
		return err
	}
	return s.makeRecipes(ctx)
}

func (s *stage) openEngine(ctx context.Context) error {
	if s.UseEngine {
		return s.useEngine(ctx)
	}
	if err := engine.Available(); err != nil {
		s.note("no private engine: %v", err)
		s.note("the demo ends at the plan; galley demo --engine would use your docker engine's swarm")
		return nil
	}
	s.note("starting a private engine with a swarm of its own")
	private, err := engine.Start(ctx, engine.Options{Swarm: true})
	if err != nil {
		return err
	}
	s.engine, s.host = private, private.Host()
	return nil
}

// openRegistry serves the images where the engine reaches them.
func (s *stage) openRegistry(ctx context.Context, binary []byte) error {
	address := "127.0.0.1:0"
	if s.engine != nil {
		address = s.engine.BridgeAddr() + ":0"
	}
	registry, err := localregistry.Start(localregistry.WithAddr(address))
	if err != nil {
		return fmt.Errorf("starting the registry: %w", err)
	}
	s.registry = registry
	for _, version := range []string{"1.0", "1.1", "2.0"} {
		image, err := sampleImage(binary, version)
		if err != nil {
			return err
		}
		if err := registry.Push(ctx, "greeter:"+version, image); err != nil {
			return fmt.Errorf("pushing the sample app: %w", err)
		}
	}
	return nil
}

// close removes everything. What cannot be removed is said, and left for the
// next run's sweep.
func (s *stage) close(good bool) error {
	var errs []error
	if s.UseEngine && s.host != "" {
		errs = append(errs, s.clearEngine(context.Background()))
	}
	if s.engine != nil {
		errs = append(errs, s.engine.Close())
	}
	if s.registry != nil {
		errs = append(errs, s.registry.Close())
	}
	if s.home != "" {
		errs = append(errs, os.RemoveAll(s.home))
	}
	err := errors.Join(errs...)
	if err == nil && good {
		s.note("everything is removed again; %.0f seconds", time.Since(s.started).Seconds())
	}
	return err
}

func (s *stage) note(format string, args ...any) {
	fmt.Fprintf(s.Err, "demo: "+format+"\n", args...)
}

func (s *stage) path(names ...string) string {
	return filepath.Join(append([]string{s.home}, names...)...)
}
