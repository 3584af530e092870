package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
)

var update = flag.Bool("update", false, "write what galley says into the scripts' golden files")

// lanes are the private engines of this package's tests, each started by the first
// test that asks for it. A script compares all that its engine has before and after,
// so scripts that run at the same time have one each.
var lanes = [1 + swarmLanes]engine.Shared{{Options: swarming}, {Options: swarming}, {Options: swarming}, {Options: swarming}}

var swarming = engine.Options{Swarm: true}

// withEngines closes the engines of the lanes when the tests are over.
type withEngines struct {
	m    interface{ Run() int }
	lane int
}

func (w withEngines) Run() int {
	if w.lane == len(lanes) {
		code := w.m.Run()
		_ = os.RemoveAll(releasedDir) // "" is nothing
		return code
	}
	return lanes[w.lane].Main(withEngines{w.m, w.lane + 1})
}

// TestMain makes this test binary galley when it is run under that name, and
// puts it on the PATH: a script, or a test, that runs galley runs this code.
func TestMain(m *testing.M) {
	testscript.Main(withEngines{m, 0}, map[string]func(){"galley": main})
}

// TestScript runs the commands that need no engine, with galley as releases build it. What
// the scripts' commands do is told in scriptcommands_test.go.
func TestScript(t *testing.T) {
	p := params(filepath.Join("testdata", "script"))
	p.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil || raced[strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")] {
			return err
		}
		galley, err := releasedGalley()
		env.Setenv("PATH", filepath.Dir(galley)+string(filepath.ListSeparator)+env.Getenv("PATH"))
		return err
	}
	for name := range raced {
		if _, err := os.Stat(filepath.Join(p.Dir, name+".txtar")); err != nil {
			t.Error(err)
		}
	}
	testscript.Run(t, p)
}

// raced are the scripts in which galley does several things at a time, by name.
// They run this test binary, which may have the race detector: it makes a command that
// does little take five times as long.
var raced = map[string]bool{"catalogue-several": true, "catalogue-publish": true, "catalogue-serve": true, "lint": true}

func params(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir, Cmds: commands, Setup: setup,
		UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
	}
}

// setup gives a script a home, a cache and a docker config of its own, an engine
// that does not answer, and git without the machine's configuration.
func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, ".home")
	for name, value := range isolated(home) {
		env.Setenv(name, value)
	}
	if os.Getenv("GORACE") == "" { // the race detector sleeps a second at each exit
		env.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	sample, err := filepath.Abs(filepath.Join("testdata", "recipe"))
	if err != nil {
		return err
	}
	env.Values[stageKey{}] = &stage{sample: sample}
	return os.MkdirAll(home, 0o700)
}

// stage is what a script's commands share.
type stage struct {
	sample   string // the folder of the sample recipe
	registry *localregistry.Registry
	swarmStage
}

type stageKey struct{}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// isolated is the environment that keeps galley and git away from the machine's
// configuration, below home.
func isolated(home string) map[string]string {
	return map[string]string{
		"HOME": home, "XDG_CACHE_HOME": filepath.Join(home, "cache"),
		"DOCKER_CONFIG": filepath.Join(home, "docker"), "DOCKER_HOST": "unix://" + filepath.Join(home, "no.sock"),
		"GALLEY_DIR": filepath.Join(home, "galley"), "GALLEY_CATALOGUE": "", "GALLEY_ROOT": "", "GALLEY_OFFLINE": "", "NO_COLOR": "",
		"GALLEY_HOOK": "", "GALLEY_WEBHOOK": "", "GALLEY_NO_DNS_CHECK": "", "GALLEY_DNS_SERVER": "",
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull,
		"GIT_AUTHOR_NAME": "Mo Test", "GIT_AUTHOR_EMAIL": "mo@example.org", "GIT_AUTHOR_DATE": "2024-05-06T07:08:09Z",
		"GIT_COMMITTER_NAME": "Mo Test", "GIT_COMMITTER_EMAIL": "mo@example.org", "GIT_COMMITTER_DATE": "2024-05-06T07:08:09Z",
	}
}
