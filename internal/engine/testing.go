package engine

import (
	"context"
	"fmt"
	"os"
	"sync"
)

// TB is what this package asks of a *testing.T or *testing.B. It is named here so
// that galley's binary, whose demo starts an engine, need not link package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Fatal(args ...any)
	Skip(args ...any)
	Log(args ...any)
}

// StartT starts an engine for one test and closes it at the test's end. Where no
// engine can be started the test is skipped with the reason; with CI=true it fails.
func StartT(t TB, opts Options) *Engine {
	t.Helper()
	require(t, Available())
	e, err := Start(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the end of the daemon's log:\n" + e.LogTail(20))
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return e
}

// require ends the test where no engine can be started, for the reason of err.
func require(t TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
		return
	}
	t.Skip(err)
}

// Shared is one engine for all tests of a package. The first test that asks starts
// it, and TestMain closes it:
//
//	var shared = engine.Shared{Options: engine.Options{Swarm: true}}
//
//	func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
//
//	func TestDeploy(t *testing.T) { e := shared.Get(t); … }
//
// What a test makes on it the test removes.
type Shared struct {
	Options Options

	once   sync.Once
	engine *Engine
	err    error
}

// Get returns the package's engine; it skips or fails the test as StartT does.
func (s *Shared) Get(t TB) *Engine {
	t.Helper()
	require(t, Available())
	s.once.Do(func() {
		if s.err = Sweep(context.Background(), ""); s.err == nil {
			s.engine, s.err = Start(context.Background(), s.Options)
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.engine
}

// Main runs the package's tests and closes the engine, and returns the exit code.
// An engine that cannot be closed fails the package.
func (s *Shared) Main(m interface{ Run() int }) int {
	code := m.Run()
	if s.engine == nil {
		return code
	}
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the end of the private engine's log:\n%s\n", s.engine.LogTail(20))
	}
	if err := s.engine.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
