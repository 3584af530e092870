package soak

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// writeRecipes makes a git repository for each recipe, with a tag for each version.
func (s *stage) writeRecipes() error {
	for name, versions := range published() {
		if err := s.writeRecipe(name, versions); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) writeRecipe(name string, versions []version) error {
	dir := filepath.Join(s.dir, name)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	git := func(args ...string) error { return command(ctx, dir, s.env(s.dir), "git", args...) }
	for i, v := range versions {
		files := map[string]string{
			"compose.yml": v.compose(s.registry.Addr, name), "conf.txt": conf(v.conf), "abra.sh": "export CONF_VERSION=" + v.conf + "\n",
			".env.sample": strings.ReplaceAll(sampleEnv, "RECIPE", name), "README.md": "# " + name + "\n",
		}
		for file, text := range files {
			if err := write(filepath.Join(dir, file), text); err != nil {
				return err
			}
		}
		if i == 0 {
			if err := git("init", "-q", "-b", "main"); err != nil {
				return err
			}
		}
		for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "release " + v.name}, {"tag", "-a", "-m", "chore: publish " + v.name + " release", v.name}} {
			if err := git(args...); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// makeCatalogue has galley build and sign a catalogue of all recipes.
func (s *stage) makeCatalogue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	sources := "name: soak\nsources:\n"
	for _, name := range slices.Sorted(maps.Keys(published())) {
		sources += "  - path: " + name + "\n"
	}
	galley := func(verb string) error { return command(ctx, s.dir, s.env(s.dir), s.galley, "catalogue", verb) }
	if err := galley("init"); err != nil {
		return err
	}
	if err := write(filepath.Join(s.dir, "galley-catalogue.yml"), sources); err != nil {
		return err
	}
	if err := galley("build"); err != nil {
		return err
	}
	return galley("sign")
}
