package lint

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestNearestConfig(t *testing.T) {
	top := tree(t, map[string]string{
		ConfigName:                        "fail_on: info\n",
		"repo/.git/HEAD":                  "ref: refs/heads/main\n",
		"repo/a/compose.yml":              stack,
		"repo/b/" + ConfigName:            "fail_on: warning\n",
		"repo/b/c/d/compose.yml":          stack,
		"repo/b/c/" + ConfigName + ".bak": "",
	})
	configs := NearestConfigs()
	for dir, want := range map[string]string{"": "info", "repo": "", "repo/a": "", "repo/b": "warning", "repo/b/c/d": "warning"} {
		c, err := configs.For(filepath.Join(top, dir))
		if err != nil {
			t.Fatal(err)
		}
		if got := failOn(c); got != want {
			t.Errorf("%q: failing level %q, want %q", dir, got, want)
		}
	}
	first, _ := configs.For(filepath.Join(top, "repo", "b"))
	second, _ := configs.For(filepath.Join(top, "repo", "b", "c", "d"))
	if first != second {
		t.Error("one file was read twice")
	}
	if c, err := (*Configs)(nil).For(top); c != nil || err != nil {
		t.Errorf("nil finds %v, %v", c, err)
	}
}

func failOn(c *Config) string {
	if c == nil {
		return ""
	}
	return c.FailOn
}

func TestOneConfig(t *testing.T) {
	top := tree(t, map[string]string{"our.yml": "fail_on: info\n", "bad.yml": "rule: 1\n", "a/" + ConfigName: "fail_on: error\n"})
	configs, err := OneConfig(filepath.Join(top, "our.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := configs.For(filepath.Join(top, "a")); err != nil || failOn(c) != "info" {
		t.Errorf("config = %+v, %v; want the one that was named", c, err)
	}
	for _, name := range []string{"none.yml", "bad.yml", "a"} {
		if _, err := OneConfig(filepath.Join(top, name)); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error = %v, want one of kind usage that names it", name, err)
		}
	}
}

func TestLoadTakesTheConfiguration(t *testing.T) {
	files := map[string]string{
		ConfigName:             "exclude: [vendor/, other.yml]\n",
		"vendor/x/compose.yml": stack,
		"a/" + ConfigName:      "fail_on: info\n",
	}
	for name, text := range shelf {
		files[name] = text
	}
	t.Chdir(tree(t, files))
	opts := LoadOptions{Configs: NearestConfigs()}
	targets := load(t, opts, ".")
	if got, want := describe(targets), []string{"loose loose", "recipe traefik"}; !reflect.DeepEqual(got, want) {
		t.Errorf("targets = %q, want %q", got, want)
	}
	if targets[0].Config == nil || targets[0].Config != targets[1].Config || targets[0].Config.File != ConfigName {
		t.Errorf("configurations = %v and %v, want the same", targets[0].Config, targets[1].Config)
	}
	given := load(t, opts, "loose/other.yml", "vendor/x")
	if got, want := describe(given), []string{"loose loose/other.yml", "loose vendor/x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("targets = %q, want what was given by name: %q", got, want)
	}
	none, notes, err := Load(context.Background(), []string{"vendor"}, opts)
	if err != nil || len(none) != 0 || len(notes) != 1 || notes[0] != ".galley.yml excludes everything that was found" {
		t.Errorf("targets = %q, notes = %q, error = %v; want a note alone", describe(none), notes, err)
	}
}

func TestLoadStopsAtABrokenConfiguration(t *testing.T) {
	dir := tree(t, map[string]string{"a/compose.yml": stack, ConfigName: "fail_on: [\n"})
	_, _, err := Load(context.Background(), []string{dir}, LoadOptions{Configs: NearestConfigs()})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), ConfigName+":1:") {
		t.Errorf("error = %v, want one of kind usage with the place", err)
	}
	if err := os.Remove(filepath.Join(dir, ConfigName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("gone", filepath.Join(dir, ConfigName)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(context.Background(), []string{dir}, LoadOptions{Configs: NearestConfigs()}); fault.KindOf(err) != fault.Usage {
		t.Errorf("error = %v, want a configuration that cannot be read to end the run", err)
	}
}
