package backups

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"

	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
)

var shared = engine.Shared{Options: engine.Options{Swarm: true}}

// memory is a disk in memory. On one 200,000 files are a matter of seconds.
const memory = "/dev/shm"

// roomy is how much must be free there, in bytes: a volume of 2 GB is restored, and more.
const roomy = 8 << 30

// inMemory puts the engine's data root, and with it all volumes, on a disk in memory, where
// there is a large one.
func inMemory() error {
	var disk unix.Statfs_t
	if err := unix.Statfs(memory, &disk); err != nil || int64(disk.Bavail)*disk.Bsize < roomy || engine.Available() != nil {
		return nil
	}
	shared.Options.Dir = filepath.Join(memory, fmt.Sprintf("%s%d", engine.Marker, os.Getpid()))
	return engine.Sweep(context.Background(), memory)
}

func TestMain(m *testing.M) {
	flag.Parse()
	if err := inMemory(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = flag.Set("test.parallel", "6") // they wait more than they work
	code := shared.Main(m)
	if err := errors.Join(theStage.close(), os.RemoveAll(builtDir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// stage is what tests share: an engine, a registry on its link, and a signed catalogue
// that galley made.
type stage struct {
	host     string         // the manager's address
	api      *client.Client // of the manager
	local    *client.Client // of the node that has the volumes, and data is its data root
	data     string
	dir      string
	galley   string // the program
	registry *localregistry.Registry
}

var (
	theStage  stage
	stageOnce sync.Once
	stageErr  error
)

// useStage is the stage of the engine that most tests share.
func useStage(t *testing.T) *stage {
	t.Helper()
	e := shared.Get(t)
	need(t)
	stageOnce.Do(func() { stageErr = theStage.start(e, e, e.BridgeAddr()) })
	if stageErr != nil {
		t.Fatal(stageErr)
	}
	return &theStage
}

// need skips where a program is missing, which CI must have.
func need(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("restic")
	if _, shell := os.Stat(localregistry.Busybox); shell != nil {
		err = shell
	}
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// start makes a stage of a manager, of the node that apps run on, and of the address that
// both reach the registry at.
func (s *stage) start(manager, node *engine.Engine, bridge string) (err error) {
	s.host, s.data = manager.Host(), filepath.Join(node.Dir(), "data")
	if s.api, err = manager.Client(); err != nil {
		return err
	}
	if s.local, err = node.Client(); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "test-galley-backups-"); err != nil {
		return err
	}
	if s.galley, err = builtGalley(); err != nil {
		return err
	}
	if s.registry, err = localregistry.Start(localregistry.WithAddr(bridge + ":0")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	image, err := localregistry.ShellImage("linux/"+manager.Arch(), nil)
	if err != nil {
		return err
	}
	if err := s.registry.Push(ctx, "shell:1.0.0", image); err != nil {
		return err
	}
	return s.makeCatalogue(ctx)
}

func (s *stage) close() error {
	var err error
	if s.registry != nil {
		err = s.registry.Close()
	}
	for _, c := range []*client.Client{s.api, s.local} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

var builtDir string

// builtGalley is galley as releases build it: it is its own helper.
var builtGalley = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "test-galley-backups-bin-")
	if err != nil {
		return "", err
	}
	builtDir = dir
	name := filepath.Join(dir, "galley")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return name, command(ctx, "../..", append(os.Environ(), "CGO_ENABLED=0"), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", name, "./cmd/galley")
})

// command runs a program that must succeed.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// recipeFiles are those of the one recipe that all apps here are of. What the hooks do, what
// is backed up and whether it is well are the env file's to say.
var recipeFiles = map[string]string{
	"README.md": "# box\n", "abra.sh": "",
	".env.sample": `TYPE=box

SECRET_TOKEN_VERSION=v1 # length=20
HEALTH=good
PRE_HOOK=
POST_HOOK=echo post >>/notes/hooks
DATA_PATH=
NODE_ROLE=manager
`,
	"compose.yml": `version: "3.8"

services:
  app:
    image: REGISTRY/shell:1.0.0
    stop_grace_period: 1s
    environment:
      - HEALTH=${HEALTH}
    volumes:
      - data:/data
      - notes:/notes
    secrets:
      - token
    healthcheck:
      test: ["CMD-SHELL", "test \"$$HEALTH\" = good"]
      interval: 1s
      retries: 2
    deploy:
      placement:
        constraints: ["node.role==${NODE_ROLE}"]
      restart_policy:
        delay: 100ms
      update_config:
        monitor: 1s
      labels:
        - "coop-cloud.${STACK_NAME}.version=1.0.0+1.0.0"
        - "backupbot.backup=true"
        - "backupbot.backup.pre-hook=${PRE_HOOK}"
        - "backupbot.backup.post-hook=${POST_HOOK}"
        - "backupbot.backup.volumes.notes=false"
        - "backupbot.backup.volumes.data.path=${DATA_PATH}"

volumes:
  data:
  notes:

secrets:
  token:
    external: true
    name: ${STACK_NAME}_token_${SECRET_TOKEN_VERSION}
`,
}

// makeCatalogue has galley build and sign a catalogue of the recipe.
func (s *stage) makeCatalogue(ctx context.Context) error {
	dir := filepath.Join(s.dir, "box")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, text := range recipeFiles {
		if err := write(filepath.Join(dir, name), strings.ReplaceAll(text, "REGISTRY", s.registry.Addr)); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "release"}, {"tag", "-a", "-m", "chore: publish 1.0.0+1.0.0 release", "1.0.0+1.0.0"},
	} {
		if err := command(ctx, dir, s.env(s.dir), "git", args...); err != nil {
			return err
		}
	}
	galley := func(verb string) error { return command(ctx, s.dir, s.env(s.dir), s.galley, "catalogue", verb) }
	if err := galley("init"); err != nil {
		return err
	}
	if err := write(filepath.Join(s.dir, "galley-catalogue.yml"), "name: backups\nsources:\n  - path: box\n"); err != nil {
		return err
	}
	if err := galley("build"); err != nil {
		return err
	}
	return galley("sign")
}

// env keeps a command away from the machine's own configuration; home is where it
// has its files.
func (s *stage) env(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.Getenv("TMPDIR"), "LC_ALL=C", "HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"DOCKER_HOST=" + s.host, "DOCKER_CONFIG=" + filepath.Join(home, "docker"), "GALLEY_DIR=" + filepath.Join(home, "galley"),
		"GALLEY_CATALOGUE=" + filepath.Join(s.dir, "public"), "GALLEY_ROOT=" + filepath.Join(s.dir, "root.json"),
		"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull,
		"GIT_AUTHOR_NAME=Mo Test", "GIT_AUTHOR_EMAIL=mo@example.org", "GIT_COMMITTER_NAME=Mo Test", "GIT_COMMITTER_EMAIL=mo@example.org",
	}
}

func write(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }

// read is a file's text, "" for none.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}
