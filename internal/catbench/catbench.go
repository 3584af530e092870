// Package catbench makes the inputs of the catalogue's benchmarks: recipes'
// repositories in any number, laid out as a clone is (one pack, packed refs), and
// the images that they name. The same arguments give the same objects.
package catbench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/internal/localregistry"
)

// Size is how much is made.
type Size struct {
	Recipes  int
	Versions int // of each recipe
	// Images is how many references all versions together name; each names two.
	Images int
}

// Name is the i-th recipe's, which is also its repository's folder.
func Name(i int) string { return fmt.Sprintf("recipe-%04d", i) }

// Version is the name of a recipe's v-th version, counted from 0.
func Version(v int) string { return fmt.Sprintf("1.%d.0+2.%d", v, v) }

// Image is the n-th reference of the pool, without a host: five tags of each
// repository.
func Image(n int) string { return fmt.Sprintf("bench/app%03d:2.%d", n/5, n%5) }

// images are the two that a version names. Successive versions share one, as they
// do where a database's tag outlives several releases of the app.
func (s Size) images(recipe, version int) (app, db string) {
	at := recipe*7 + version
	return Image(at % s.Images), Image((recipe*3 + version/4) % s.Images)
}

// Repositories makes the recipes' bare repositories in dir with git itself. Their
// paths are dir/Name(i).
func Repositories(ctx context.Context, dir string, size Size) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range size.Recipes {
		group.Go(func() error {
			if err := repository(ctx, filepath.Join(dir, Name(i)), size.history(i)); err != nil {
				return fmt.Errorf("making %s: %w", Name(i), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// config makes everything that is imported one pack, as a clone has it.
const config = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[fastimport]\n\tunpackLimit = 1\n"

// repository lays a bare one out by hand: `git init` takes longer than all else.
func repository(ctx context.Context, dir, history string) error {
	for _, folder := range []string{"objects", "refs"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/main\n", "config": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := git(ctx, dir, history, "fast-import", "--quiet"); err != nil {
		return err
	}
	return git(ctx, dir, "", "pack-refs", "--all")
}

// Release adds the next version to a repository that Repositories made: a commit
// on top of main and its tag, packed as the others are.
func Release(ctx context.Context, dir string, size Size, recipe, version int) error {
	path := filepath.Join(dir, Name(recipe))
	stream := size.release(recipe, version, "from refs/heads/main^0\n")
	if err := git(ctx, path, stream, "fast-import", "--quiet"); err != nil {
		return fmt.Errorf("releasing %s: %w", Name(recipe), err)
	}
	return git(ctx, path, "", "pack-refs", "--all")
}

func git(ctx context.Context, dir, input string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// Push pushes the pool of images to a registry, tiny ones for two platforms.
func Push(ctx context.Context, reg *localregistry.Registry, size Size) error {
	for n := range size.Images {
		image, err := localregistry.TinyImage(Image(n), "linux/amd64", "linux/arm64")
		if err != nil {
			return err
		}
		if err := reg.Push(ctx, Image(n), image); err != nil {
			return err
		}
	}
	return nil
}
