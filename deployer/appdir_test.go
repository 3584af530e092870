package deployer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// abraTree is a folder as the other client leaves it.
func abraTree(t *testing.T) Dir {
	t.Helper()
	d := Dir{t.TempDir()}
	for name, text := range map[string]string{
		"servers/swarm.example.org/cloud.example.org.env":      "TYPE=nextcloud:4.0.2+25.0.1-fpm\r\nDOMAIN=cloud.example.org\r\n",
		"servers/swarm.example.org/.cloud.example.org.env.swp": "junk",
		"servers/swarm.example.org/notes.txt":                  "junk",
		"servers/swarm.example.org/old.env/x":                  "a folder",
		"servers/default/traefik.example.org.env":              "export RECIPE=traefik\nDOMAIN=traefik.example.org\n",
		"servers/default/cloud.example.org.env":                "TYPE=nextcloud\n",
		"servers/.hidden/x.env":                                "TYPE=x\n",
		"servers/README.md":                                    "junk",
		"recipes/nextcloud/compose.yml":                        "services: {}",
		"catalogue/recipes.json":                               "{}",
		"autocomplete/bash":                                    "x",
	} {
		writeFile(t, filepath.Join(d.Root, name), text)
	}
	return d
}

func TestAppsOfAnExistingTree(t *testing.T) {
	apps, failed := abraTree(t).Apps()
	if len(failed) > 0 {
		t.Fatalf("errors = %v", failed)
	}
	var got []string
	for _, a := range apps {
		got = append(got, strings.Join([]string{a.Domain, a.Server, a.Recipe, a.Version, a.Stack}, " "))
	}
	want := []string{
		"cloud.example.org default nextcloud  cloud_example_org",
		"cloud.example.org swarm.example.org nextcloud 4.0.2+25.0.1-fpm cloud_example_org",
		"traefik.example.org default traefik  traefik_example_org",
	}
	if !slices.Equal(got, want) {
		t.Errorf("apps = %q, want %q", got, want)
	}
}

func TestAppsWithoutAFolder(t *testing.T) {
	if apps, failed := (Dir{filepath.Join(t.TempDir(), "none")}).Apps(); len(apps)+len(failed) > 0 {
		t.Errorf("apps %v, errors %v; want neither", apps, failed)
	}
}

func TestOneBrokenFileHidesNoOther(t *testing.T) {
	d := abraTree(t)
	if err := os.Symlink("nowhere", filepath.Join(d.Root, "servers/default/broken.example.org.env")); err != nil {
		t.Fatal(err)
	}
	apps, failed := d.Apps()
	if len(apps) != 3 || len(failed) != 1 {
		t.Errorf("%d apps, errors %v; want 3 and one", len(apps), failed)
	}
	if _, err := d.Find("broken.example.org", ""); err == nil || !strings.Contains(err.Error(), "reading the env file") {
		t.Errorf("error = %v, want why it cannot be read", err)
	}
}

func TestFind(t *testing.T) {
	d := abraTree(t)
	writeFile(t, filepath.Join(d.Root, "servers/default/none.example.org.env"), "DOMAIN=x\n")
	for _, test := range []struct {
		domain, server, want, hint string
		kind                       fault.Kind
	}{
		{"traefik.example.org", "", "", "", 0},
		{"traefik.example.org", "default", "", "", 0},
		{"cloud.example.org", "swarm.example.org", "", "", 0},
		{"cloud.example.org", "", `is on several servers: default, swarm.example.org`, "--server", fault.Usage},
		{"treafik.example.org", "", `no app "treafik.example.org"`, "did you mean traefik.example.org?", fault.Usage},
		{"traefik", "", "no app", "did you mean traefik.example.org?", fault.Usage},
		{"zzz.invalid", "", "no app", "galley app ls", fault.Usage},
		{"traefik.example.org", "swarm.example.org", "servers/swarm.example.org", "", fault.Usage},
		{"none.example.org", "", "names no recipe", "TYPE=", fault.Unavailable},
		{"../../etc/passwd", "", "no app", "", fault.Usage},
	} {
		app, err := d.Find(test.domain, test.server)
		if test.want == "" {
			if err != nil || app.Domain != test.domain {
				t.Errorf("Find(%q, %q) = %+v, %v", test.domain, test.server, app, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || fault.KindOf(err) != test.kind || !strings.Contains(fault.HintOf(err), test.hint) {
			t.Errorf("Find(%q, %q): error %v, kind %v, hint %q; want %q, %v, %q",
				test.domain, test.server, err, fault.KindOf(err), fault.HintOf(err), test.want, test.kind, test.hint)
		}
	}
}

func TestStackNames(t *testing.T) {
	long := strings.Repeat("a", 50)
	for domain, want := range map[string]string{
		"cloud.example.org": "cloud_example_org",
		long + ".org":       strings.Repeat("a", 45),
		"localhost":         "localhost",
	} {
		if got := StackName(domain); got != want {
			t.Errorf("StackName(%q) = %q, want %q", domain, got, want)
		}
	}
	if app := writeApp(t, "a.example.org", "TYPE=x\nNAME=mine\nSTACK_NAME=${NAME}_1\n"); app.Stack != "mine_1" {
		t.Errorf("stack = %q, want the env file's", app.Stack)
	}
}

func TestTwoAppsOfOneStackAreRefused(t *testing.T) {
	d := Dir{t.TempDir()}
	long := strings.Repeat("a", 45)
	for _, domain := range []string{long + "1.org", long + "2.org"} {
		writeFile(t, filepath.Join(d.Root, "servers/default", domain+".env"), "TYPE=x\n")
	}
	_, err := d.New(NewOptions{Domain: long + "3.org", Server: "default", Recipe: "x"})
	if err == nil || !strings.Contains(err.Error(), "would both be the stack") {
		t.Errorf("error = %v", err)
	}
	if _, err := os.Stat(filepath.Join(d.Root, "servers/default", long+"3.org.env")); err == nil {
		t.Error("New made the env file all the same")
	}
	_, err = d.Find(long+"1.org", "")
	if err == nil || !strings.Contains(err.Error(), "would both be the stack") || !strings.Contains(fault.HintOf(err), "STACK_NAME") {
		t.Errorf("error = %v, hint %q", err, fault.HintOf(err))
	}
}

const sample = "# the recipe\nTYPE=web\n\nDOMAIN=web.example.com # your domain\n# OPTIONAL=x\nSECRET_KEY_VERSION=v1 # length=32\n"

func TestNew(t *testing.T) {
	d := Dir{filepath.Join(t.TempDir(), "galley")}
	r := loadRecipe(t, map[string]string{".env.sample": sample, "compose.yml": oneService})
	app, err := d.New(NewOptions{Domain: "web.example.org", Server: "default", Recipe: "web", Version: "1.0.0+1.27", Sample: r})
	if err != nil {
		t.Fatal(err)
	}
	if app.Domain != "web.example.org" || app.Server != "default" || app.Recipe != "web" || app.Version != "1.0.0+1.27" || app.Stack != "web_example_org" {
		t.Errorf("app = %+v", app)
	}
	got, err := os.ReadFile(filepath.Join(d.Root, "servers/default/web.example.org.env"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("TYPE=web", "TYPE=web:1.0.0+1.27", "web.example.com", "web.example.org").Replace(sample)
	if string(got) != want {
		t.Errorf("env file:\n%s\nwant:\n%s", got, want)
	}
	info, err := os.Stat(app.Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v; want 0600", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(app.Path)); len(entries) != 1 {
		t.Errorf("files = %v, want no temporary one", entries)
	}
	if string(r.Sample.Bytes()) != sample {
		t.Error("New changed the sample")
	}
}

func TestNewWithoutASample(t *testing.T) {
	app, err := (Dir{t.TempDir()}).New(NewOptions{Domain: "web.example.org", Server: "default", Recipe: "web"})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(app.Env.Bytes()); got != "TYPE=web\nDOMAIN=web.example.org\n" {
		t.Errorf("env file = %q", got)
	}
}

func TestNewDoesNotOverwrite(t *testing.T) {
	d := Dir{t.TempDir()}
	path := filepath.Join(d.Root, "servers/default/web.example.org.env")
	writeFile(t, path, "TYPE=mine\n")
	_, err := d.New(NewOptions{Domain: "web.example.org", Server: "default", Recipe: "web"})
	if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("error = %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "TYPE=mine\n" {
		t.Errorf("env file = %q, want it untouched", got)
	}
}

func TestNewRefusesBadNames(t *testing.T) {
	for _, o := range []NewOptions{
		{Domain: "", Server: "default", Recipe: "web"},
		{Domain: "Web.example.org", Server: "default", Recipe: "web"},
		{Domain: "../evil", Server: "default", Recipe: "web"},
		{Domain: "a..b", Server: "default", Recipe: "web"},
		{Domain: "-a.org", Server: "default", Recipe: "web"},
		{Domain: "a b.org", Server: "default", Recipe: "web"},
		{Domain: strings.Repeat("a", 64) + ".org", Server: "default", Recipe: "web"},
		{Domain: strings.Repeat("a.", 130) + "org", Server: "default", Recipe: "web"},
		{Domain: "web.org", Server: "", Recipe: "web"},
		{Domain: "web.org", Server: "..", Recipe: "web"},
		{Domain: "web.org", Server: "a/b", Recipe: "web"},
		{Domain: "web.org", Server: ".hidden", Recipe: "web"},
		{Domain: "web.org", Server: "default", Recipe: "a:b"},
		{Domain: "web.org", Server: "default", Recipe: "web", Version: "1 2"},
	} {
		d := Dir{t.TempDir()}
		if _, err := d.New(o); fault.KindOf(err) != fault.Usage || err == nil {
			t.Errorf("New(%+v) = %v, want a usage error", o, err)
		}
		if entries, _ := os.ReadDir(d.Root); len(entries) > 0 {
			t.Errorf("New(%+v) left %v", o, entries)
		}
	}
}

func TestRecord(t *testing.T) {
	d := abraTree(t)
	app, err := d.Find("cloud.example.org", "swarm.example.org")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, app.Path, "TYPE=nextcloud:4.0.2+25.0.1-fpm\r\nDOMAIN=cloud.example.org\r\nADDED=meanwhile\r\n")
	if err := os.Chmod(app.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := app.Record("5.0.0+26"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(app.Path)
	if want := "TYPE=nextcloud:5.0.0+26\r\nDOMAIN=cloud.example.org\r\nADDED=meanwhile\r\n"; err != nil || string(got) != want {
		t.Errorf("env file = %q, %v; want %q", got, err, want)
	}
	if info, _ := os.Stat(app.Path); info.Mode().Perm() != 0o640 {
		t.Errorf("mode = %v, want 0640", info.Mode())
	}
	if app.Version != "5.0.0+26" {
		t.Errorf("version = %q", app.Version)
	}
	writeFile(t, app.Path, "TYPE=other\n")
	if err := app.Record("6.0.0+27"); err == nil || !strings.Contains(err.Error(), `names the recipe "other" now`) {
		t.Errorf("error = %v, want a refusal to write over another recipe", err)
	}
}

func TestCanRecord(t *testing.T) {
	app := writeApp(t, "web.example.org", "TYPE=web\n")
	if err := app.CanRecord(); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Dir(app.Path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v is beside the env file, %v", entries, err)
	}
	if err := os.RemoveAll(filepath.Dir(app.Path)); err != nil {
		t.Fatal(err)
	}
	if err := app.CanRecord(); err == nil || !strings.Contains(err.Error(), app.Path) || fault.HintOf(err) == "" {
		t.Errorf("error = %v (%q), want one that names the file, with a hint", err, fault.HintOf(err))
	}
}

func TestRecordKeepsOwnerAndLink(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI runs as root, who alone can give a file away")
		}
		t.Skip("only root can give a file away")
	}
	app := writeApp(t, "web.example.org", "TYPE=web\n")
	real := filepath.Join(t.TempDir(), "real.env")
	if err := os.Rename(app.Path, real); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(real, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, app.Path); err != nil {
		t.Fatal(err)
	}
	if err := app.Record("1.0.0+1"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(app.Path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v; want a link", info.Mode(), err)
	}
	if uid, gid := fileOwner(t, real); uid != 1234 || gid != 2345 {
		t.Errorf("owner = %d:%d, want 1234:2345", uid, gid)
	}
	if got, _ := os.ReadFile(real); string(got) != "TYPE=web:1.0.0+1\n" {
		t.Errorf("env file = %q", got)
	}
}

func TestEnviron(t *testing.T) {
	app := writeApp(t, "web.example.org", "TYPE=web\nDOMAIN=web.example.org\nURL=https://$DOMAIN/${STACK_NAME}\nSECRET_X_VERSION=v1 # charset=alnum\nCOMPOSE_FILE=\"$COMPOSE_FILE:compose.x.yml\"\n")
	env, err := app.Environ()
	if err != nil {
		t.Fatal(err)
	}
	if env["URL"] != "https://web.example.org/web_example_org" || env["COMPOSE_FILE"] != recipe.DefaultComposeFile+":compose.x.yml" {
		t.Errorf("env = %v", env)
	}
}

func TestEnvironNamesFileAndLine(t *testing.T) {
	app := writeApp(t, "web.example.org", "TYPE=web\nA=$GONE\nthis is no line\nB=${ALSO}\n")
	_, err := app.Environ()
	for _, want := range []string{app.Path + ":2:", app.Path + ":3:", app.Path + ":4:", `"GONE"`, `"ALSO"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("GALLEY_DIR", "/somewhere")
	if d, err := DefaultDir(); err != nil || d.Root != "/somewhere" {
		t.Errorf("dir = %v, %v", d, err)
	}
	t.Setenv("GALLEY_DIR", "")
	t.Setenv("HOME", "/home/op")
	if d, err := DefaultDir(); err != nil || d.Root != "/home/op/.galley" {
		t.Errorf("dir = %v, %v", d, err)
	}
}
