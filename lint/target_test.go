package lint

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

const stack = "services:\n  app:\n    image: nginx:latest\n"

// shelf is a folder of every kind of target.
var shelf = map[string]string{
	"traefik/compose.yml":         stack,
	"traefik/compose.smtp.yml":    stack,
	"traefik/extra/compose.x.yml": stack, // an overlay, though it has a folder of its own
	"traefik/.env.sample":         "TYPE=traefik\n",
	"loose/docker-compose.yml":    stack,
	"loose/other.yml":             stack,
	"loose/notes.yml":             "a: 1\n",
	".hidden/compose.yml":         stack,
	"README.md":                   "# shelf\n",
}

func describe(targets []Target) []string {
	var all []string
	for _, t := range targets {
		kind := "recipe "
		if t.Loose {
			kind = "loose "
		}
		all = append(all, kind+t.Path)
	}
	return all
}

func TestLoadKinds(t *testing.T) {
	t.Chdir(tree(t, shelf))
	tests := []struct {
		name  string
		as    string
		paths []string
		want  []string
	}{
		{"a folder of recipes", "", []string{"."}, []string{"loose loose", "loose loose/other.yml", "recipe traefik"}},
		{"one recipe", "", []string{"./traefik/"}, []string{"recipe traefik"}},
		{"a file", "", []string{"loose/other.yml"}, []string{"loose loose/other.yml"}},
		{"a recipe's compose file by its name", "", []string{"traefik/compose.yml"}, []string{"loose traefik/compose.yml"}},
		{"an overlay by its name", "", []string{"traefik/extra/compose.x.yml"}, []string{"loose traefik/extra/compose.x.yml"}},
		{"the order is the user's", "", []string{"traefik", "loose"}, []string{"recipe traefik", "loose loose", "loose loose/other.yml"}},
		{"given twice", "", []string{"traefik", "./traefik", "."}, []string{"recipe traefik", "loose loose", "loose loose/other.yml"}},
		{"as recipe", AsRecipe, []string{"."}, []string{"recipe loose", "loose loose/other.yml", "recipe traefik"}},
		{"a file as recipe", AsRecipe, []string{"traefik/compose.yml"}, []string{"recipe traefik/compose.yml"}},
		{"as compose", AsCompose, []string{"traefik"}, []string{"loose traefik"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := describe(load(t, LoadOptions{As: test.as}, test.paths...)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("targets = %q, want %q", got, test.want)
			}
		})
	}
}

func TestLoadAsRecipeReadsTheCompanionsOfAFile(t *testing.T) {
	t.Chdir(tree(t, shelf))
	if got := load(t, LoadOptions{}, "traefik/compose.yml")[0].Recipe.Sample; got != nil {
		t.Errorf("a file alone has the sample env file %q", got.Text.Path)
	}
	if got := load(t, LoadOptions{As: AsRecipe}, "traefik/compose.yml")[0].Recipe.Sample; got == nil {
		t.Error("a file as a recipe has no sample env file")
	}
}

func TestLoadErrors(t *testing.T) {
	dir := tree(t, map[string]string{"empty/a.txt": "", "yaml/values.yml": "a: 1\n", "big.yml": strings.Repeat("#", recipe.MaxFileSize+1)})
	t.Chdir(dir)
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path, as string
		want           string
		kind           fault.Kind
	}{
		{"missing", "nowhere", "", `reading "nowhere": no such file or directory`, fault.Unavailable},
		{"below a file", "big.yml/x", "", `reading "big.yml/x": not a directory`, fault.Unavailable},
		{"nothing to lint", "empty", "", `no compose file under "empty"`, fault.Unavailable},
		{"no stack", "yaml", "", `no compose file under "yaml"`, fault.Unavailable},
		{"a pipe", "pipe", "", `"pipe" is neither a folder nor a regular file`, fault.Unavailable},
		{"too large", "big.yml", "", `reading "big.yml": "big.yml" is larger than `, fault.Unavailable},
		{"no such kind", ".", "helm", `"helm" is no kind of target; expected recipe or compose`, fault.Usage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := Load(context.Background(), []string{test.path}, LoadOptions{As: test.as})
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error = %q, want %q in one line", err, test.want)
			}
			if got := fault.KindOf(err); got != test.kind {
				t.Errorf("kind = %v, want %v", got, test.kind)
			}
		})
	}
}

func TestLoadHintsAtTheNames(t *testing.T) {
	_, _, err := Load(context.Background(), []string{t.TempDir()}, LoadOptions{})
	for _, name := range recipe.ComposeNames {
		if !strings.Contains(fault.HintOf(err), name) {
			t.Errorf("hint %q does not name %s", fault.HintOf(err), name)
		}
	}
}

func TestLoadFolderWithMarksAndNoComposeFile(t *testing.T) {
	marks := map[string]map[string]string{
		"sample":   {".env.sample": "TYPE=x\n"},
		"script":   {"abra.sh": "export X_VERSION=v1\n"},
		"metadata": {"README.md": "<!-- metadata -->\n* **Category**: Apps\n<!-- endmetadata -->\n"},
		"git":      {".git/HEAD": "ref: refs/heads/main\n"},
	}
	for name, files := range marks {
		t.Run(name, func(t *testing.T) {
			targets := load(t, LoadOptions{}, tree(t, files))
			if len(targets) != 1 || targets[0].Loose || targets[0].Recipe.Base != nil {
				t.Errorf("targets = %+v, want one recipe without a compose file", targets)
			}
		})
	}
}

func TestFilesAreShownAsTheUserWouldTypeThem(t *testing.T) {
	dir := tree(t, shelf)
	t.Chdir(filepath.Join(dir, "traefik"))
	tests := map[string][]string{
		".":             {"compose.smtp.yml", "compose.yml", "extra/compose.x.yml"},
		"compose.yml":   {"compose.smtp.yml", "compose.yml", "extra/compose.x.yml"},
		"../loose":      {"../loose/docker-compose.yml", "../loose/other.yml"},
		dir + "/loose/": {filepath.ToSlash(dir) + "/loose/docker-compose.yml", filepath.ToSlash(dir) + "/loose/other.yml"},
	}
	for given, want := range tests {
		result, err := Run(context.Background(), load(t, LoadOptions{}, given), []Rule{unstable}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range result.Findings {
			got = append(got, f.File)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: files = %q, want %q", given, got, want)
		}
	}
}

func TestLoadFollowsALinkThatTheUserNamed(t *testing.T) {
	dir := tree(t, shelf)
	t.Chdir(dir)
	if err := os.Symlink("loose/other.yml", "here.yml"); err != nil {
		t.Fatal(err)
	}
	if got := describe(load(t, LoadOptions{}, "here.yml")); !reflect.DeepEqual(got, []string{"loose loose/other.yml"}) {
		t.Errorf("targets = %q, want the file the link leads to", got)
	}
}

func TestLoadStaysInTheFolder(t *testing.T) {
	dir := tree(t, map[string]string{"in/a/compose.yml": stack, "out/compose.yml": stack, "in/b/x.txt": ""})
	links := map[string]string{"in/loop": ".", "in/a/up": "../..", "in/b/compose.yml": "../../out/compose.yml", "in/c": "../out"}
	for name, leads := range links {
		if err := os.Symlink(leads, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	targets := load(t, LoadOptions{}, "in")
	if got, want := describe(targets), []string{"loose in/a", "loose in/b"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("targets = %q, want %q", got, want)
	}
	if b := targets[1].Recipe; b.Base != nil || len(b.Problems) != 1 {
		t.Errorf("a compose file outside the folder was read, or nothing was said of it: %v", b.Problems)
	}
}

func TestLoadKeepsGoingBesideAnUnreadableFile(t *testing.T) {
	dir := tree(t, map[string]string{"bad/.env.sample": "TYPE=bad\n", "good/compose.yml": stack})
	if err := os.Mkdir(filepath.Join(dir, "bad", "abra.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("gone", filepath.Join(dir, "bad", "compose.yml")); err != nil {
		t.Fatal(err)
	}
	targets := load(t, LoadOptions{}, dir)
	if len(targets) != 2 {
		t.Fatalf("targets = %q, want both", describe(targets))
	}
	if len(targets[0].Recipe.Problems) == 0 || len(targets[1].Recipe.Problems) != 0 {
		t.Errorf("problems = %v and %v, want some in the first alone", targets[0].Recipe.Problems, targets[1].Recipe.Problems)
	}
}

func TestLoadNotesWhatWasCut(t *testing.T) {
	deep := strings.Repeat("d/", 40)
	dir := tree(t, map[string]string{"compose.yml": stack, deep + "compose.yml": stack})
	targets, notes, err := Load(context.Background(), []string{dir}, LoadOptions{})
	if err != nil || len(targets) != 1 {
		t.Fatalf("targets = %q, error = %v", describe(targets), err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], dir) {
		t.Errorf("notes = %q, want one that names %q", notes, dir)
	}
}

type noHistory struct{ History }

func TestLoadAsksForTheWorldOfEachFolder(t *testing.T) {
	dir := tree(t, shelf)
	world := func(_ context.Context, dir string, r *recipe.Recipe) World {
		if _, err := os.Stat(filepath.Join(dir, r.Base.Text.Path)); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q is not the recipe's folder", dir)
		}
		return World{History: noHistory{}}
	}
	for _, target := range load(t, LoadOptions{World: world}, dir) {
		if target.World.History == nil {
			t.Errorf("%s has no world", target.Path)
		}
	}
}

func TestLoadTurnsAPanicIntoAnError(t *testing.T) {
	dir := tree(t, shelf)
	world := func(context.Context, string, *recipe.Recipe) World { panic("off by one") }
	_, _, err := Load(context.Background(), []string{dir + "/traefik"}, LoadOptions{World: world})
	var bug *RuleError
	if !errors.As(err, &bug) || bug.Rule != "" || !strings.Contains(err.Error(), "traefik") || len(bug.Stack) == 0 {
		t.Errorf("error = %v, want a RuleError that names the target", err)
	}
}

func TestLoadStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Load(ctx, []string{tree(t, shelf)}, LoadOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}
