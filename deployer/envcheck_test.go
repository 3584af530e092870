package deployer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/catalogue"
)

const checkSample = `TYPE=web
DOMAIN=web.example.com
# Who.
GREETED=world
API_TOKEN=sample-token
# OPTION=1
SECRET_DB_PASSWORD_VERSION=v1 # length=32
COMPOSE_FILE=compose.yml
# COMPOSE_FILE="$COMPOSE_FILE:compose.db.yml"
`

func checkFiles() map[string]string {
	return map[string]string{
		".env.sample":    checkSample,
		"compose.yml":    "services:\n  app:\n    image: web:1\n    environment: [GREETED, \"OTHER=${OTHER:-x}\"]\n",
		"compose.db.yml": "services:\n  app:\n    environment: [\"DB=${DB_HOST}\"]\n",
	}
}

func TestCheckEnv(t *testing.T) {
	r := loadRecipe(t, checkFiles())
	entry := &catalogue.Entry{Version: "1.0.0+1", Images: []catalogue.Image{{Reference: "docker.io/library/web:1", Digest: "sha256:" + strings.Repeat("a", 64)}}}
	good := strings.Replace(checkSample, "web.example.com", "web.example.org", 1)
	for name, c := range map[string]struct {
		env   string
		want  string // findings, without the env file's folder
		stack bool
	}{
		"as the sample":                         {good, "", true},
		"own variables that others are made of": {good + "BASE=x\nOTHER=$BASE\n", "", true},
		"missing": {
			strings.Replace(good, "GREETED=world\n", "", 1),
			"error: web.example.org.env: GREETED is missing; the recipe's .env.sample has it at line 4", true,
		},
		"commented out is not missing": {strings.Replace(good, "GREETED", "# GREETED", 1), "", true},
		"unknown": {
			good + "GRETED=x\nZZZ=1\nZZZ=2\n",
			"warning: web.example.org.env:10:1: GRETED is not known to the recipe; did you mean GREETED?\n" +
				"warning: web.example.org.env:11:1: ZZZ is not known to the recipe", true,
		},
		"unreadable": {
			good + "what\nA=\"x\n",
			"error: web.example.org.env:10:1: \"what\" is no declaration; expected NAME=value or a comment\n" +
				"error: web.example.org.env:11:3: A has no closing \"", false,
		},
		"without a value": {
			good + "OTHER=$NOWHERE\n",
			"error: web.example.org.env:10:7: variable \"NOWHERE\" is not set; expected it earlier in this file", false,
		},
		"a secret without a version": {
			strings.Replace(good, "VERSION=v1", "VERSION=", 1),
			"error: web.example.org.env:7:1: SECRET_DB_PASSWORD_VERSION has no value; expected a version like v1", true,
		},
		"a malformed modifier": {
			strings.Replace(good, "length=32", "length=long", 1),
			"warning: web.example.org.env:7:33: length \"long\"; expected a number from 1 to 1024", true,
		},
		"a compose file that is not there": {
			good + "COMPOSE_FILE=compose.yml:compose.x.yml\n",
			"error: web.example.org.env:10:14: the recipe has no compose file \"compose.x.yml\"; it has compose.yml, compose.db.yml", false,
		},
		"a variable that nothing defines": {
			good + "COMPOSE_FILE=\"$COMPOSE_FILE:compose.db.yml\"\n",
			"error: compose.db.yml:3:23: DB_HOST has no value; add it to web.example.org.env", false,
		},
	} {
		app := writeApp(t, "web.example.org", c.env)
		findings, desired := CheckEnv(t.Context(), app, r, entry)
		var got []string
		for _, f := range findings {
			got = append(got, strings.ReplaceAll(f.Severity+": "+f.String(), filepath.Dir(app.Path)+"/", ""))
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, text, c.want)
		}
		if (desired != nil) != c.stack {
			t.Errorf("%s: a stack: %v, want %v", name, desired != nil, c.stack)
		}
		if EnvFails(findings) != strings.Contains(c.want, "error: ") {
			t.Errorf("%s: it fails: %v", name, EnvFails(findings))
		}
	}

	t.Log("and what only the making of the stack finds")
	entry.Images[0].Reference = "docker.io/library/web:2"
	findings, desired := CheckEnv(t.Context(), writeApp(t, "web.example.org", good), r, entry)
	if len(findings) != 1 || desired != nil || !strings.Contains(findings[0].Message, "is not in the catalogue entry of version 1.0.0+1") {
		t.Errorf("findings %+v", findings)
	}
}

func TestDiffEnv(t *testing.T) {
	running := loadRecipe(t, checkFiles()).Sample
	files := checkFiles()
	files[".env.sample"] = strings.NewReplacer(
		"GREETED=world", "GREETED=everybody", "sample-token", "another-token", "# OPTION=1", "OPTION=2",
		"SECRET_DB", "NEW_PASSWORD=made-up-secret\n# LATER=x\nSECRET_DB",
	).Replace(checkSample)
	next := loadRecipe(t, files).Sample
	diff := func(env string) string {
		var lines []string
		for _, d := range DiffEnv(writeApp(t, "web.example.org", env), running, next) {
			lines = append(lines, strings.Join([]string{d.Kind, d.Variable, d.Value, d.Before, d.Default}, "|"))
		}
		return strings.Join(lines, "\n")
	}
	env := "TYPE=web:1.0.0+1\nDOMAIN=web.example.org\nGREETED=me\nAPI_TOKEN=my-own-token\n#OPTION=1\nSECRET_DB_PASSWORD_VERSION=v3\nCOMPOSE_FILE=compose.yml\nOWN_KEY=kept-to-myself\n"
	want := "changed|GREETED|me|world|everybody\nchanged|API_TOKEN|********|********|********\nchanged|OPTION||1|2\n" +
		"missing|NEW_PASSWORD|||********\noptional|LATER|||x\nadded|OWN_KEY|********||"
	if got := diff(env); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := diff(files[".env.sample"]); got != "" {
		t.Errorf("the sample itself differs in\n%s", got)
	}
	if got := DiffEnv(writeApp(t, "web.example.org", checkSample+"GONE=1\n"), loadRecipe(t, map[string]string{".env.sample": "GONE=1\n"}).Sample, running); len(got) != 1 || got[0].Kind != EnvGone || got[0].Line != 10 {
		t.Errorf("got %+v", got)
	}
	if got := DiffEnv(writeApp(t, "web.example.org", checkSample), nil, running); len(got) != 0 {
		t.Errorf("without a version that runs: %+v", got)
	}
}

func TestDraft(t *testing.T) {
	app := writeApp(t, "web.example.org", "TYPE=web\nA=1\n")
	if err := os.Chmod(app.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	draft, err := app.Edit()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(draft.Path)
	if err != nil || info.Mode().Perm() != 0o600 || filepath.Dir(draft.Path) != filepath.Dir(app.Path) {
		t.Errorf("the draft %s is %v (%v)", draft.Path, info.Mode(), err)
	}
	if apps, failed := (Dir{filepath.Dir(filepath.Dir(filepath.Dir(app.Path)))}).Apps(); len(apps) != 1 || len(failed) > 0 {
		t.Errorf("the draft is taken for an app: %v, %v", apps, failed)
	}
	if changed, err := draft.Changed(); changed || err != nil {
		t.Errorf("changed %v (%v)", changed, err)
	}
	writeFile(t, draft.Path, "TYPE=web\nA=2\nbad\n")
	edited, err := draft.App()
	if err != nil || edited.Path != app.Path || len(edited.Env.Problems()) != 1 || !strings.HasPrefix(edited.Env.Problems()[0].Error(), app.Path) {
		t.Errorf("the draft reads as %+v (%v)", edited, err)
	}
	if changed, err := draft.Changed(); !changed || err != nil {
		t.Errorf("changed %v (%v)", changed, err)
	}
	if stale, err := draft.Stale(); stale || err != nil {
		t.Errorf("stale %v (%v)", stale, err)
	}
	writeFile(t, app.Path, "TYPE=web\nA=3\n")
	if stale, err := draft.Stale(); !stale || err != nil {
		t.Errorf("stale %v (%v)", stale, err)
	}
	if err := draft.Keep(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(app.Path)
	if err != nil || string(data) != "TYPE=web\nA=2\nbad\n" {
		t.Errorf("the env file is %q (%v)", data, err)
	}
	if info, err = os.Stat(app.Path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v (%v)", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(app.Path)); err != nil || len(left) != 1 {
		t.Errorf("left: %v (%v)", left, err)
	}
}
