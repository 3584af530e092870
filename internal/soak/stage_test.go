package soak

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
)

var shared = engine.Shared{Options: engine.Options{Swarm: true}}

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", fmt.Sprint(recipes+1)) // they wait more than they work, and for each other
	code := shared.Main(m)
	os.Exit(max(code, theStage.close()))
}

// recipes is how many recipes there are, and stacks that run side by side: each
// stack has one of its own, so that an image can be taken away for one alone.
const recipes = 6

// stage is what all tests share: the engine, a registry on its link, galley, and a
// signed catalogue that galley made.
type stage struct {
	once     sync.Once
	err      error
	engine   *engine.Engine
	api      *client.Client
	dir      string
	galley   string // the program
	registry *localregistry.Registry
	pulls    pulls
	images   map[string]image // by "recipe:tag"
}

// image is what a tag of a recipe is.
type image struct {
	digest string // of the index, as the catalogue pins it
	config string // of the image's config: its ID on an engine
}

var theStage stage

func useStage(t *testing.T) *stage {
	t.Helper()
	e := shared.Get(t)
	theStage.once.Do(func() { theStage.err = theStage.start(t.Context(), e) })
	if theStage.err != nil {
		t.Fatal(theStage.err)
	}
	return &theStage
}

// close ends what start began, and tells the exit code for it.
func (s *stage) close() int {
	var err error
	if s.registry != nil {
		err = s.registry.Close()
	}
	if s.api != nil {
		err = errors.Join(err, s.api.Close())
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (s *stage) start(ctx context.Context, e *engine.Engine) (err error) {
	s.engine, s.images = e, map[string]image{}
	if s.api, err = e.Client(); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "test-galley-soak-"); err != nil {
		return err
	}
	built := make(chan error, 1)
	go func() { built <- s.buildGalley(ctx) }()
	s.registry, err = localregistry.Start(localregistry.WithAddr(e.BridgeAddr()+":0"), localregistry.WithHandler(s.pulls.handler))
	if err == nil {
		err = s.pushImages(ctx)
	}
	if err == nil {
		err = s.writeRecipes()
	}
	if err = errors.Join(err, <-built); err != nil {
		return err
	}
	if err := s.makeCatalogue(ctx); err != nil {
		return err
	}
	s.pulls.missing.Store(true)
	return nil
}

func (s *stage) buildGalley(ctx context.Context) error {
	s.galley = filepath.Join(s.dir, "bin", "galley")
	args := append([]string{"build"}, buildFlags...)
	return command(ctx, "../..", os.Environ(), "go", append(args, "-o", s.galley, "./cmd/galley")...)
}

// command runs a program that must succeed.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// pushImages makes an image for each tag of each recipe; no two are the same, so
// that none stands on a node under the name of another.
func (s *stage) pushImages(ctx context.Context) error {
	path := filepath.Join(s.dir, "app")
	env := append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if err := command(ctx, ".", env, "go", "build", "-ldflags", "-s -w", "-o", path, "./testdata/app"); err != nil {
		return err
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for recipe, versions := range published() {
		for _, tag := range tags(versions) {
			if err := s.push(ctx, binary, recipe+":"+tag); err != nil {
				return err
			}
		}
	}
	return nil
}

// tags are those of all images of versions.
func tags(versions []version) []string {
	all := map[string]bool{}
	for _, v := range versions {
		for _, s := range v.services {
			all[s.tag] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (s *stage) push(ctx context.Context, binary []byte, repoTag string) error {
	platform := "linux/" + s.engine.Arch()
	img, err := localregistry.BinaryImage(binary, platform, func(c *v1.Config) { c.Labels = map[string]string{"seed": repoTag} })
	if err != nil {
		return err
	}
	index, err := localregistry.Index(map[string]v1.Image{platform: img})
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	config, err := img.ConfigName()
	if err != nil {
		return err
	}
	s.images[repoTag] = image{digest.String(), config.String()}
	return s.registry.Push(ctx, repoTag, index)
}

func recipeName(n int) string { return fmt.Sprintf("soak%d", n) }

// public is the signed catalogue.
func (s *stage) public() string { return filepath.Join(s.dir, "public") }

// env keeps a command away from the machine's own configuration; home is where it
// has its files.
func (s *stage) env(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.Getenv("TMPDIR"), "GORACE=atexit_sleep_ms=0 halt_on_error=1", "LC_ALL=C",
		"HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "DOCKER_CONFIG=" + filepath.Join(home, "docker"),
		"GALLEY_DIR=" + filepath.Join(home, "galley"), "GALLEY_CATALOGUE=" + s.public(), "GALLEY_ROOT=" + filepath.Join(s.dir, "root.json"),
		"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull,
		"GIT_AUTHOR_NAME=Mo Test", "GIT_AUTHOR_EMAIL=mo@example.org", "GIT_COMMITTER_NAME=Mo Test", "GIT_COMMITTER_EMAIL=mo@example.org",
	}
}
