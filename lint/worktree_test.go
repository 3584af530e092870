package lint

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

// git runs git in a folder, without the machine's and the user's configuration.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// committed is a work tree with files in one commit.
func committed(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := tree(t, files)
	git(t, dir, "init", "--quiet", "--initial-branch=main")
	commit(t, dir)
	return dir
}

func commit(t testing.TB, dir string) string {
	t.Helper()
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--allow-empty", "-m", "x")
	return git(t, dir, "rev-parse", "HEAD")
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestUntrackedFilesAreLeftOut(t *testing.T) {
	dir := committed(t, shelf)
	for _, name := range []string{"traefik/compose.new.yml", "traefik/abra.sh", "loose/new.yml", "new/compose.yml"} {
		write(t, dir, name, stack)
	}
	t.Chdir(dir)
	targets, notes, err := Load(context.Background(), []string{"."}, LoadOptions{Tracked: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(targets), []string{"loose loose", "loose loose/other.yml", "recipe traefik"}; !reflect.DeepEqual(got, want) {
		t.Errorf("targets = %q, want %q", got, want)
	}
	if traefik := targets[2].Recipe; len(traefik.Overlays) != 2 || traefik.Script != nil {
		t.Errorf("traefik has %d overlays, script %v; want what git tracks", len(traefik.Overlays), traefik.Script)
	}
	want := `".": left out what git does not track: loose/new.yml, new/compose.yml, traefik/abra.sh and 1 more`
	if strings.Join(notes, "|") != want {
		t.Errorf("notes = %q, want %q", notes, want)
	}
	git(t, dir, "add", "--all")
	if got := load(t, LoadOptions{Tracked: true}, "."); len(got) != 5 {
		t.Errorf("targets = %q, want all once they are in the index", describe(got))
	}
}

func TestUntrackedFilesOfFoldersWithinAWorkTree(t *testing.T) {
	dir := committed(t, shelf)
	write(t, dir, "traefik/compose.new.yml", stack)
	for _, given := range []string{dir + "/traefik", dir + "/traefik/compose.yml"} {
		if overlays := load(t, LoadOptions{Tracked: true}, given)[0].Recipe.Overlays; len(overlays) != 2 {
			t.Errorf("%s has %d overlays, want the two that git tracks", given, len(overlays))
		}
	}
	if got := load(t, LoadOptions{Tracked: true}, dir+"/traefik/compose.new.yml"); len(got) != 1 {
		t.Errorf("targets = %q, want the file that was given by name", describe(got))
	}
}

func TestARepositoryInsideIsJudgedByItsOwnIndex(t *testing.T) {
	outer := committed(t, map[string]string{"README.md": "# outer\n"})
	inner := filepath.Join(outer, "recipes", "r")
	write(t, inner, "compose.yml", stack)
	git(t, inner, "init", "--quiet")
	commit(t, inner)
	write(t, inner, "compose.new.yml", stack)
	write(t, outer, "recipes/x/compose.yml", stack)
	targets := load(t, LoadOptions{Tracked: true}, outer)
	if len(targets) != 1 || targets[0].Path != inner || len(targets[0].Recipe.Overlays) != 0 {
		t.Errorf("targets = %q, want the inner repository without its new overlay", describe(targets))
	}
	git(t, outer, "-c", "advice.addEmbeddedRepo=false", "add", "--all")
	if targets := load(t, LoadOptions{Tracked: true}, outer); len(targets) != 2 {
		t.Errorf("targets = %q, want the tracked one too", describe(targets))
	}
}

func TestWithoutGitNothingIsUntracked(t *testing.T) {
	dir := tree(t, shelf)
	targets, notes, err := Load(context.Background(), []string{dir}, LoadOptions{Tracked: true})
	if err != nil || len(targets) != 3 || len(notes) != 0 {
		t.Errorf("targets = %q, notes = %q, error = %v; want all three", describe(targets), notes, err)
	}
}

func TestABrokenIndexHidesNothingAndIsNoted(t *testing.T) {
	dir := committed(t, shelf)
	write(t, dir, ".git/index", "noise")
	targets, notes, err := Load(context.Background(), []string{dir}, LoadOptions{Tracked: true})
	if err != nil || len(targets) != 3 || len(notes) != 1 || !strings.Contains(notes[0], "untracked files are not left out") {
		t.Errorf("targets = %q, notes = %q, error = %v; want all three and a note", describe(targets), notes, err)
	}
}

func TestAFolderOfUntrackedFilesSaysSo(t *testing.T) {
	dir := committed(t, map[string]string{"a.txt": ""})
	write(t, dir, "r/compose.yml", stack)
	_, _, err := Load(context.Background(), []string{dir + "/r"}, LoadOptions{Tracked: true})
	if err == nil || !strings.Contains(fault.HintOf(err), "git does not track compose.yml") {
		t.Errorf("error = %v, hint = %q; want a hint at the index", err, fault.HintOf(err))
	}
}
