package recipe

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

const small = "version: \"3.8\"\nservices:\n  app:\n    image: nginx:${TAG:-1.27}\n    ports: [\"80:80\"]\n"

func TestLoadReadsEverything(t *testing.T) {
	r, err := Load(files(
		"compose.yml", small,
		"compose.smtp.yml", "services:\n  app:\n    environment: [SMTP=1]\n",
		"overlays/compose.ldap.yml", "services: {}\n",
		"other/compose.yml", small, // a recipe of its own, with an overlay of its own
		"other/compose.x.yml", small,
		".env.sample", "TYPE=web\nDOMAIN=web.example.org\n",
		"abra.sh", "export CONF_VERSION=v2\n",
		"readme.md", "# web\n\n<!-- metadata -->\n* **Status**: 3\n<!-- endmetadata -->\n",
		"release/1.0.0+1.27", "first\n",
		"release/.keep", "",
	), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var overlays []string
	for _, d := range r.Overlays {
		overlays = append(overlays, d.Text.Path)
	}
	if got := strings.Join(overlays, " "); got != "compose.smtp.yml overlays/compose.ldap.yml" {
		t.Errorf("overlays = %s", got)
	}
	if r.Name != "web" || r.Base.Text.Path != "compose.yml" || r.Script == nil || r.Readme == nil || r.Readme.Metadata == nil {
		t.Errorf("read %+v", r)
	}
	if len(r.Notes) != 1 || r.Notes[0].Version != "1.0.0+1.27" {
		t.Errorf("notes = %+v", r.Notes)
	}
	if len(r.Problems) > 0 || !r.IsRecipe() {
		t.Errorf("problems = %v, recipe = %v", r.Problems, r.IsRecipe())
	}
}

func TestLoadOfAlmostNothing(t *testing.T) {
	r, err := Load(files("notes.txt", "x"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Base != nil || r.Sample != nil || r.IsRecipe() || len(r.Documents()) != 0 {
		t.Errorf("read %+v", r)
	}
	if _, err := r.Model(context.Background(), ModelOptions{}); err == nil || !strings.Contains(err.Error(), "no compose file") {
		t.Errorf("model: %v", err)
	}
}

func TestLooseComposeFileIsNoRecipe(t *testing.T) {
	r, err := Load(files("compose.yml", small, ".env.sample", "X=1\n"), Options{Compose: "compose.yml", Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.IsRecipe() || r.Sample != nil {
		t.Error("a file that stands alone took its folder's companions")
	}
	labelled := "services:\n  app:\n    deploy:\n      labels: [coop-cloud.x.version=1.0.0+1]\n"
	if r, _ = Load(files("compose.yml", labelled), Options{}); !r.IsRecipe() {
		t.Error("a coop-cloud label is a recipe's mark")
	}
}

func TestBrokenFilesDoNotHideOthers(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"compose.yml": "services: [\n", "compose.a.yml": small, "README.md": "# x\n", "release": "a file, not a folder",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{".env.sample": "/etc/passwd", "abra.sh": "abra.sh"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r, err := Load(root.FS(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var where []string
	for _, p := range r.Problems {
		where = append(where, p.Range.File)
	}
	slices.Sort(where)
	if strings.Join(where, " ") != ".env.sample abra.sh release" || r.Sample != nil {
		t.Errorf("problems = %v", r.Problems)
	}
	if len(r.Base.Errors) != 1 || len(r.Overlays) != 1 || r.Readme == nil {
		t.Errorf("read %+v", r)
	}
}

func TestNamedPipeIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"compose.yml", ".env.sample"} {
		if err := exec.Command("mkfifo", filepath.Join(dir, name)).Run(); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r, err := Load(root.FS(), Options{})
	if err != nil || len(r.Problems) != 2 {
		t.Errorf("problems = %v, %v; want both pipes", r.Problems, err)
	}
}

func TestReadFileStaysInTheRecipe(t *testing.T) {
	r, err := Load(files("compose.yml", small, "conf/a.conf", "x", "big", strings.Repeat("x", MaxFileSize+1)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := r.ReadFile("./conf/a.conf"); err != nil || string(data) != "x" {
		t.Errorf("a file = %q, %v", data, err)
	}
	for _, name := range []string{"../x", "/etc/passwd", "conf/../../x", "conf", "big", "missing", ""} {
		if data, err := r.ReadFile(name); err == nil {
			t.Errorf("%q was read: %d bytes", name, len(data))
		}
	}
}

func TestFind(t *testing.T) {
	found, complete := Find(files(
		"a/compose.yml", small, "a/compose.smtp.yml", small, "a/compose.yaml", small,
		"b/stack-x.yml", small, "b/stack-x.override.yml", small, "b/values.yml", "a: 1\n",
		"c/docker-compose.yml", small, "c/deep/docker-stack.yml", small,
		".git/compose.yml", small, "node_modules/compose.yml", small, "d/.hidden.yml", small,
	))
	var got []string
	for _, l := range found {
		got = append(got, l.Dir+"/"+l.Compose)
		if l.Alone {
			got[len(got)-1] += " alone"
		}
	}
	want := []string{"a/compose.yml", "a/compose.yaml alone", "b/stack-x.yml alone", "c/docker-compose.yml", "c/deep/docker-stack.yml"}
	if !complete || !slices.Equal(got, want) {
		t.Errorf("found %q (complete %v), want %q", got, complete, want)
	}
}

func TestFindSaysWhenItIsCut(t *testing.T) {
	if _, complete := Find(files(strings.Repeat("d/", maxDepth+1)+"compose.yml", small)); complete {
		t.Error("a tree deeper than the limit was called complete")
	}
}

func TestFindIgnoresLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(".", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "compose.yml"), []byte(small), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if found, _ := Find(root.FS()); len(found) != 1 {
		t.Errorf("found %v, want the one file once", found)
	}
}
