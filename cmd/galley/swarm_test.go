package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
)

// swarmLanes is how many scripts that deploy run at the same time: they wait more than
// they work.
const swarmLanes = 3

// TestSwarm runs the scripts that deploy, in lanes: each compares what its engine has
// before and after. The long ones come first, so that the lanes end together.
func TestSwarm(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob(filepath.Join("testdata", "swarm", "*.txtar"))
	if err != nil || len(scripts) < 3 {
		t.Fatalf("%d scripts, error %v", len(scripts), err)
	}
	size := map[string]int64{}
	for _, script := range scripts {
		info, err := os.Stat(script)
		if err != nil {
			t.Fatal(err)
		}
		size[script] = info.Size()
	}
	slices.SortFunc(scripts, func(a, b string) int { return cmp.Compare(size[b], size[a]) })
	next := make(chan string, len(scripts))
	for _, script := range scripts {
		next <- script
	}
	close(next)
	for lane := range swarmLanes {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			private := lanes[lane].Get(t)
			for script := range next {
				swarmScript(t, private, script)
			}
		})
	}
}

func swarmScript(t *testing.T, private *engine.Engine, script string) {
	t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
		p := params("")
		p.Files = []string{script}
		p.Setup = func(env *testscript.Env) error {
			if err := setup(env); err != nil {
				return err
			}
			return setupSwarm(t, env, private)
		}
		testscript.Run(t, p)
	})
}

// setupSwarm points a script at the engine and at a registry that the engine
// reaches, and empties the engine when the script is over.
func setupSwarm(t *testing.T, env *testscript.Env, private *engine.Engine) error {
	s := env.Values[stageKey{}].(*stage)
	registry, err := localregistry.Start(localregistry.WithAddr(private.BridgeAddr()+":0"), localregistry.WithHandler(s.lie))
	if err != nil {
		return err
	}
	env.Defer(func() { _ = registry.Close() })
	env.Defer(func() {
		if err := emptyEngine(context.Background(), private); err != nil {
			t.Errorf("emptying the engine: %v", err)
		}
	})
	s.registry, s.engine, s.t = registry, private, t
	env.Setenv("REGISTRY", registry.Addr)
	env.Setenv("DOCKER_HOST", private.Host())
	return nil
}

// swarmStage is what the commands of swarm scripts share.
type swarmStage struct {
	t      *testing.T
	engine *engine.Engine
	lying  atomic.Bool // the registry serves other bytes than it should
	// killServer, when not nil, ends the first of two servers once a service of the
	// other is stopped.
	killServer func(ctx context.Context, service string) error

	mu        sync.Mutex
	requested []string // of the web server, what it had, in order
}

// lie changes one byte of every blob while the registry lies.
func (s *swarmStage) lie(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.lying.Load() || r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			next.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorder.Code)
		body := recorder.Body.Bytes()
		if len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		_, _ = w.Write(body)
	})
}

// record remembers which files of a folder were asked for.
func (s *swarmStage) record(dir string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			s.mu.Lock()
			if !slices.Contains(s.requested, name) {
				s.requested = append(s.requested, name)
			}
			s.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// appBinary is testdata/app, built once for all tests.
var appBinary = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "test-galley-app-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "app")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", name, "./testdata/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building testdata/app: %w: %s", err, out)
	}
	return os.ReadFile(name)
})

// appimage REPOSITORY:TAG SEED: testdata/app is in the registry; another seed is
// another image.
func appImage(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	binary, err := appBinary()
	ts.Check(err)
	image, err := localregistry.BinaryImage(binary, "linux/"+s.engine.Arch(), func(c *v1.Config) {
		c.Labels = map[string]string{"seed": args[1]}
	})
	ts.Check(err)
	ts.Check(s.registry.Push(context.Background(), args[0], image))
}

// shellimage REPOSITORY:TAG: an image with a shell is in the registry.
func shellImage(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	image, err := localregistry.ShellImage("linux/"+s.engine.Arch(), nil)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		s.t.Skip(err)
	}
	ts.Check(err)
	ts.Check(s.registry.Push(context.Background(), args[0], image))
}

// carrier: galley's helpers run a galley as releases build it. The tests' own program is
// not one that could run in an empty container.
func carrierProgram(ts *testscript.TestScript, _ bool, _ []string) {
	path, err := releasedGalley()
	ts.Check(err)
	ts.Setenv(deployer.CarrierVariable, path)
}

// releasedGalley is galley as releases build it, made once for all tests. TestMain removes it.
var releasedGalley = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "test-galley-released-")
	if err != nil {
		return "", err
	}
	releasedDir = dir
	name := filepath.Join(dir, "galley")
	build := exec.Command("go", "build", "-o", name, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building galley: %w: %s", err, out)
	}
	return name, nil
})

var releasedDir string

// lies true|false: whether blobs come with a byte changed.
func registryLies(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).lying.Store(args[0] == "true")
}

// inventory FILE: all objects of the engine, to compare. It waits until no task is
// on its way. Left out are containers that have ended, which the engine removes
// when it likes, and its bridge for swarm, which it makes when it likes.
func inventory(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e := stageOf(ts).engine
	running, err := settled(ctx, e)
	ts.Check(err)
	lines, err := engine.EngineInventory(ctx, e.Host())
	ts.Check(err)
	lines = slices.DeleteFunc(lines, func(line string) bool {
		fields := strings.Fields(line)
		return fields[0] == "container" && !slices.Contains(running, fields[1]) || strings.HasSuffix(line, " docker_gwbridge")
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

// flipread DIR ARGUMENT…: galley ARGUMENT… reads the catalogue in DIR, over the
// web or not, as a machine that never saw it. For each file that it had asked the
// web server for before, with one bit flipped, it ends with 4, and the engine has
// what it had.
func flipRead(ts *testscript.TestScript, _ bool, args []string) {
	s := stageOf(ts)
	s.mu.Lock()
	files := slices.Clone(s.requested)
	s.mu.Unlock()
	kinds := map[string]bool{}
	inventory(ts, false, []string{".before"})
	before := ts.ReadFile(".before")
	for _, file := range files {
		kinds[filepath.Dir(file)] = true
		path := filepath.Join(ts.MkAbs(args[0]), file)
		ts.Check(flipMiddle(path))
		ts.Check(os.RemoveAll(filepath.Join(ts.Getenv("GALLEY_DIR"), "trust")))
		ts.Check(os.RemoveAll(filepath.Join(ts.Getenv("XDG_CACHE_HOME"), "galley", "catalogue")))
		exits(ts, false, append([]string{"4", "galley"}, args[1:]...))
		inventory(ts, false, []string{".after"})
		if after := ts.ReadFile(".after"); after != before {
			ts.Fatalf("with %s flipped the engine changed from\n%s\nto\n%s", file, before, after)
		}
		ts.Check(flipMiddle(path))
	}
	if !kinds["metadata"] || !kinds["v1/recipes"] || !kinds["v1/bundles"] || len(files) < 5 {
		ts.Fatalf("a deploy should have read metadata, recipes and bundles; it read %q", files)
	}
	ts.Logf("each of %q was refused", files)
}

// drift SERVICE NAME=VALUE: somebody changes the service's environment by hand.
func drift(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	api, err := stageOf(ts).engine.Client()
	ts.Check(err)
	defer api.Close()
	service, _, err := api.ServiceInspectWithRaw(ctx, args[0], swarm.ServiceInspectOptions{})
	ts.Check(err)
	container := service.Spec.TaskTemplate.ContainerSpec
	container.Env = append(container.Env, args[1])
	_, err = api.ServiceUpdate(ctx, service.ID, service.Version, service.Spec, swarm.ServiceUpdateOptions{})
	ts.Check(err)
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(100 * time.Millisecond) {
		now, _, err := api.ServiceInspectWithRaw(ctx, service.ID, swarm.ServiceInspectOptions{})
		ts.Check(err)
		if status := now.UpdateStatus; status != nil && status.State == swarm.UpdateStateCompleted {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the update of %s does not end: %+v", args[0], now.UpdateStatus)
		}
	}
}

// interrupt CODE STAGE COMMAND…: exits, for a command that gets ctrl-C as soon as
// it tells of that stage.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	if code := signalAt(ts, os.Interrupt, args[1], args[2:]); code != args[0] {
		ts.Fatalf("exit code %s, expected %s", code, args[0])
	}
}

// killed STAGE COMMAND…: the command is killed as soon as it tells of that stage.
func killed(ts *testscript.TestScript, _ bool, args []string) {
	if code := signalAt(ts, os.Kill, args[0], args[1:]); code != "-1" {
		ts.Fatalf("exit code %s, expected none", code)
	}
}

// signalAt runs a command that gets a signal when it tells of a stage, and gives
// its exit code.
func signalAt(ts *testscript.TestScript, signal os.Signal, stage string, args []string) string {
	command := exec.Command(args[0], args[1:]...)
	for _, name := range slices.Sorted(maps.Keys(isolated(""))) {
		command.Env = append(command.Env, name+"="+ts.Getenv(name))
	}
	command.Dir = ts.MkAbs(".")
	stderr, err := command.StderrPipe()
	ts.Check(err)
	ts.Check(command.Start())
	said := bufio.NewScanner(stderr)
	sent := false
	for said.Scan() {
		_, _ = fmt.Fprintln(ts.Stderr(), said.Text())
		if !sent && strings.Contains(said.Text(), stage) {
			sent = true
			ts.Check(command.Process.Signal(signal))
		}
	}
	_ = command.Wait()
	if !sent {
		ts.Fatalf("it never told of %q", stage)
	}
	return strconv.Itoa(command.ProcessState.ExitCode())
}

// plainengine: an engine without a swarm takes the engine's place.
func plainEngine(ts *testscript.TestScript, _ bool, _ []string) {
	s := stageOf(ts)
	private, err := engine.Start(context.Background(), engine.Options{})
	ts.Check(err)
	ts.Defer(func() {
		if err := private.Close(); err != nil {
			s.t.Error(err)
		}
	})
	s.engine = private
	ts.Setenv("DOCKER_HOST", private.Host())
}
