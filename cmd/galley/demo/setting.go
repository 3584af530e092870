package demo

import (
	"bytes"
	"context"
	"debug/elf"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

// recipes holds the sample recipes, one folder for each version: what the
// recipe's repository holds at that version's tag.
//
//go:embed all:recipes
var recipes embed.FS

// placeholder is the registry in the sample recipes.
const placeholder = "galley.example"

// imageLabel marks the sample app's images, so that those of a killed demo are
// found on an engine that outlives it.
const imageLabel = "galley.demo"

// homePrefix names the folders of demos in the temporary folder.
const homePrefix = "galley-demo-"

// claimed is a demo's folder, locked for as long as the demo lives: the lock of
// a killed process is free, which is how the next run knows.
type claimed struct {
	dir  string
	lock *flock.Flock
}

func claim() (*claimed, error) {
	dir, err := os.MkdirTemp("", homePrefix)
	if err != nil {
		return nil, fmt.Errorf("making a folder for the demo: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return nil, fmt.Errorf("locking the demo's folder: %w", err)
	}
	return &claimed{dir, lock}, nil
}

// sweep removes what demos left that were killed.
func sweep(ctx context.Context) error {
	errs := []error{engine.Sweep(ctx, "")}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), homePrefix+"*"))
	errs = append(errs, err)
	for _, dir := range left {
		lock := flock.New(filepath.Join(dir, "lock"))
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue // it is running
		}
		errs = append(errs, os.RemoveAll(dir), lock.Unlock())
	}
	return errors.Join(errs...)
}

// sampleBinary reads galley itself and checks that it runs in an empty image: a
// static binary for Linux.
func sampleBinary(self string) ([]byte, error) {
	data, err := os.ReadFile(self)
	if err != nil {
		return nil, fmt.Errorf("reading galley's own binary: %w", err)
	}
	if runtime.GOOS != "linux" {
		return data, nil // no engine to run it on; its digest is all the plan needs
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading galley's own binary: %w", err)
	}
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		err := fault.New(fault.Unavailable, "this galley is linked dynamically, and cannot run in the empty image of the sample app")
		return nil, fault.Hint(err, "build it with CGO_ENABLED=0, as make demo does")
	}
	return data, nil
}

// sampleImage is the sample app at a version: versions differ in a label, so
// that each has a digest of its own.
func sampleImage(binary []byte, version string) (v1.Image, error) {
	image, err := localregistry.BinaryImage(binary, "linux/"+runtime.GOARCH, func(c *v1.Config) {
		c.Labels = map[string]string{"org.opencontainers.image.version": version, imageLabel: "1"}
	})
	if err != nil {
		return nil, fmt.Errorf("making the sample app's image: %w", err)
	}
	return image, nil
}

// makeRecipes writes the sample recipes into git repositories, a commit and an
// annotated tag for each version, with the registry's address in their images.
func (s *stage) makeRecipes(ctx context.Context) error {
	names, err := recipes.ReadDir("recipes")
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.makeRecipe(ctx, name.Name()); err != nil {
			return fmt.Errorf("making the sample recipe %q: %w", name.Name(), err)
		}
	}
	return nil
}

func (s *stage) makeRecipe(ctx context.Context, name string) error {
	dir := s.path("recipes", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := s.git(ctx, dir, "init", "-q", "-b", "main"); err != nil {
		return err
	}
	versions, err := recipes.ReadDir(path.Join("recipes", name))
	if err != nil {
		return err
	}
	for _, version := range versions {
		from, err := fs.Sub(recipes, path.Join("recipes", name, version.Name()))
		if err != nil {
			return err
		}
		if err := s.writeFiles(from, dir); err != nil {
			return err
		}
		for _, args := range [][]string{
			{"add", "-A"},
			{"commit", "-q", "-m", "release " + version.Name()},
			{"tag", "-a", "-m", "chore: publish " + version.Name() + " release", version.Name()},
		} {
			if err := s.git(ctx, dir, args...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) writeFiles(from fs.FS, dir string) error {
	return fs.WalkDir(from, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if e.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		data = bytes.ReplaceAll(data, []byte(placeholder), []byte(s.registry.Addr))
		return os.WriteFile(target, data, 0o644)
	})
}

func (s *stage) git(ctx context.Context, dir string, args ...string) error {
	identity := []string{"-c", "user.name=galley demo", "-c", "user.email=demo@galley.example", "-c", "tag.gpgSign=false", "-c", "commit.gpgSign=false"}
	command := s.command(ctx, "git", append(identity, args...)...)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

// useEngine takes the user's own swarm, after clearing what a killed demo left
// of its stack there.
func (s *stage) useEngine(ctx context.Context) error {
	s.host = os.Getenv("DOCKER_HOST")
	if s.host == "" {
		s.host = "unix:///var/run/docker.sock"
	}
	e, err := deployer.Connect(ctx, deployer.DefaultServer)
	if err != nil {
		return err
	}
	defer e.Close()
	if want := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]; e.Architecture != want {
		return fault.New(fault.Unavailable, "the engine runs on %s, and this galley, which is the sample app, on %s", e.Architecture, runtime.GOARCH)
	}
	return s.clearEngine(ctx)
}

// clearEngine removes the demo's stack, records and images from the user's
// engine.
func (s *stage) clearEngine(ctx context.Context) error {
	e, err := deployer.Connect(ctx, deployer.DefaultServer)
	if err != nil {
		return err
	}
	defer e.Close()
	current, err := e.Current(ctx, stack, nil)
	if err != nil {
		return err
	}
	if len(current.Services) > 0 {
		if _, err := e.Undeploy(ctx, stack, nil); err != nil {
			return err
		}
	}
	if err := e.Forget(ctx, stack); err != nil {
		return err
	}
	return e.ForgetImages(ctx, imageLabel+"=1")
}
