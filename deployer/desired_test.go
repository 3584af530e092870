package deployer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
)

const oneService = "services:\n  app:\n    image: nginx:1.27\n"

// wantFrom makes a wanted stack from a recipe's files and an env file.
func wantFrom(t *testing.T, files map[string]string, env string, entry *catalogue.Entry) (*Desired, error) {
	t.Helper()
	return NewDesired(t.Context(), Input{App: writeApp(t, "web.example.org", "TYPE=web\n"+env), Recipe: loadRecipe(t, files), Entry: entry})
}

func TestDesiredPinsImages(t *testing.T) {
	compose := "services:\n  app: {image: \"nginx:1.27\"}\n  db: {image: \"example.org:5000/team/db:v1\"}\n"
	d := wantStack(t, compose, "", "1.0.0+1.27", "nginx:1.27", "example.org:5000/team/db:v1")
	for service, want := range map[string]string{
		"app": "nginx:1.27@sha256:" + strings.Repeat("a", 64),
		"db":  "example.org:5000/team/db:v1@sha256:" + strings.Repeat("b", 64),
	} {
		spec := d.Stack.Services["web_example_org_"+service].Spec
		if got := spec.TaskTemplate.ContainerSpec.Image; got != want {
			t.Errorf("image of %s = %q, want %q", service, got, want)
		}
		if d.Images["web_example_org_"+service].Digest != want[strings.Index(want, "@")+1:] {
			t.Errorf("Images[%s] = %+v", service, d.Images["web_example_org_"+service])
		}
	}
	platforms := d.Stack.Services["web_example_org_app"].Spec.TaskTemplate.Placement.Platforms
	if want := []swarm.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux"}}; !slices.Equal(platforms, want) {
		t.Errorf("platforms = %v, want %v", platforms, want)
	}
}

func TestDesiredImageWithADigest(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	d := wantStack(t, "services:\n  app: {image: \"nginx:1.27@"+digest+"\"}\n", "", "1.0.0+1.27", "nginx:1.27")
	if got := d.Stack.Services["web_example_org_app"].Spec.TaskTemplate.ContainerSpec.Image; got != "nginx:1.27@"+digest {
		t.Errorf("image = %q", got)
	}
	_, err := wantFrom(t, map[string]string{"compose.yml": "services:\n  app: {image: \"nginx:1.27@sha256:" + strings.Repeat("9", 64) + "\"}\n"}, "", entryOf(t, "1", "nginx:1.27"))
	if fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "another digest than the catalogue entry") {
		t.Errorf("error = %v, want a refusal", err)
	}
}

func TestDesiredRefusesImagesTheEntryDoesNotName(t *testing.T) {
	files := map[string]string{"compose.yml": "services:\n  app: {image: \"nginx:${TAG:-1.27}\"}\n  db: {image: \"mysql:8\"}\n"}
	_, err := wantFrom(t, files, "TAG=evil\n", entryOf(t, "1.0.0+1.27", "nginx:1.27"))
	if fault.KindOf(err) != fault.Refused {
		t.Fatalf("error = %v, want a refusal", err)
	}
	for _, image := range []string{`"nginx:evil"`, `"mysql:8"`} {
		if !strings.Contains(err.Error(), image+" of service") || !strings.Contains(err.Error(), "is not in the catalogue entry of version 1.0.0+1.27") {
			t.Errorf("error %v does not refuse %s", err, image)
		}
	}
}

func TestDesiredLabels(t *testing.T) {
	compose := oneService + "    deploy:\n      labels:\n        - coop-cloud.${STACK_NAME}.version=0.0.1+wrong\n        - coop-cloud.${STACK_NAME}.timeout=${TIMEOUT:-120}\n  db: {image: \"nginx:1.27\"}\n"
	d := wantStack(t, compose, "TIMEOUT=300\n", "1.0.0+1.27", "nginx:1.27")
	labels := d.Stack.Services["web_example_org_app"].Spec.Labels
	for name, want := range map[string]string{
		"coop-cloud.web_example_org.recipe":  "web",
		"coop-cloud.web_example_org.version": "1.0.0+1.27",
		"coop-cloud.web_example_org.chaos":   "false",
		NamespaceLabel:                       "web_example_org",
		LabelImage:                           "nginx:1.27",
		LabelEntry:                           d.EntryDigest,
	} {
		if labels[name] != want {
			t.Errorf("label %s = %q, want %q", name, labels[name], want)
		}
	}
	if d.Timeout != 5*time.Minute {
		t.Errorf("timeout = %v, want 5m", d.Timeout)
	}
	if other := d.Stack.Services["web_example_org_db"].Spec.Labels; other[LabelEntry] != "" || other["coop-cloud.web_example_org.version"] != "" {
		t.Errorf("labels of db = %v, want the stack's alone", other)
	}
	if len(d.EntryDigest) != 64 {
		t.Errorf("entry digest = %q, want 64 hex digits", d.EntryDigest)
	}
}

func TestDesiredWithoutAnAppService(t *testing.T) {
	d := wantStack(t, "services:\n  web: {image: \"nginx:1.27\"}\n  db: {image: \"nginx:1.27\"}\n", "", "1.0.0+1", "nginx:1.27")
	if d.Stack.Services["web_example_org_db"].Spec.Labels["coop-cloud.web_example_org.version"] != "1.0.0+1" {
		t.Error("the first service by name does not carry the clients' labels")
	}
}

func TestDesiredBadTimeout(t *testing.T) {
	for _, text := range []string{"soon", "0", "-5", "999999999"} {
		d := wantStack(t, oneService+"    deploy: {labels: [\"coop-cloud.${STACK_NAME}.timeout="+text+"\"]}\n", "", "1", "nginx:1.27")
		if d.Timeout != 0 || !strings.Contains(strings.Join(d.Warnings, "\n"), `"`+text+`"; expected seconds`) {
			t.Errorf("timeout %q: %v, warnings %q", text, d.Timeout, d.Warnings)
		}
	}
}

func TestEntryDigestFollowsTheEntry(t *testing.T) {
	a, b, c := entryOf(t, "1", "nginx:1"), entryOf(t, "1", "nginx:1"), entryOf(t, "2", "nginx:1")
	var digests []string
	for _, e := range []*catalogue.Entry{a, b, c} {
		d, err := e.SHA256()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d)
	}
	if digests[0] != digests[1] || digests[0] == digests[2] {
		t.Errorf("digests = %q, want two the same and one other", digests)
	}
}

func TestUndefinedVariables(t *testing.T) {
	files := map[string]string{
		"compose.yml": "services:\n  app:\n    image: nginx:1.27\n    command: \"${ONE} ${TWO} ${ONE}\"\n    environment: [\"A=${OPTIONAL}\", \"B=${WITH:-default}\", BARE]\n",
		".env.sample": "TYPE=web\n# OPTIONAL=\n",
	}
	_, err := wantFrom(t, files, "", entryOf(t, "1", "nginx:1.27"))
	if err == nil || fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("error = %v, want exit code 3", err)
	}
	for _, want := range []string{"variable ONE is used at compose.yml:4:15 and has no value in ", "variable TWO is used at compose.yml:4:22", "web.example.org.env"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "OPTIONAL") || strings.Count(err.Error(), "variable ONE") != 1 {
		t.Errorf("error %q names an optional variable, or one twice", err)
	}
	if hint := fault.HintOf(err); !strings.Contains(hint, "add ONE=, TWO= to the env file") {
		t.Errorf("hint = %q", hint)
	}
	if _, err := wantFrom(t, files, "ONE=1\nTWO=\n", entryOf(t, "1", "nginx:1.27")); err != nil {
		t.Errorf("with values: %v", err)
	}
}

func TestUndefinedVariableInTheEnvFile(t *testing.T) {
	_, err := wantFrom(t, map[string]string{"compose.yml": oneService}, "A=$GONE\n", entryOf(t, "1", "nginx:1.27"))
	if err == nil || !strings.Contains(err.Error(), `web.example.org.env:2:3: variable "GONE" is not set`) {
		t.Errorf("error = %v, want file and line", err)
	}
}

func TestComposeFileSelectsFiles(t *testing.T) {
	files := map[string]string{
		"compose.yml":     oneService,
		"compose.two.yml": "services:\n  two: {image: \"nginx:1.27\"}\n",
	}
	for env, want := range map[string]int{
		"":                           1,
		"# COMPOSE_FILE=x\n":         1,
		"COMPOSE_FILE=compose.yml\n": 1,
		"COMPOSE_FILE=compose.yml:compose.two.yml\n":       2,
		"COMPOSE_FILE=\"$COMPOSE_FILE:compose.two.yml\"\n": 2,
	} {
		d, err := wantFrom(t, files, env, entryOf(t, "1", "nginx:1.27"))
		if err != nil || len(d.Stack.Services) != want {
			t.Errorf("%q: %d services, error %v; want %d", env, len(d.Stack.Services), err, want)
		}
	}
	_, err := wantFrom(t, files, "COMPOSE_FILE=compose.gone.yml\n", entryOf(t, "1", "nginx:1.27"))
	if err == nil || !strings.Contains(err.Error(), `no compose file "compose.gone.yml"`) {
		t.Errorf("error = %v", err)
	}
}

func TestComposeFileAppendedToAnotherBase(t *testing.T) {
	files := map[string]string{"docker-compose.yml": oneService, "docker-compose.two.yml": "services:\n  two: {image: \"nginx:1.27\"}\n"}
	d, err := wantFrom(t, files, "COMPOSE_FILE=$COMPOSE_FILE:docker-compose.two.yml\n", entryOf(t, "1", "nginx:1.27"))
	if err != nil || len(d.Stack.Services) != 2 {
		t.Errorf("error %v, want both files", err)
	}
}

func TestEnvFileIsNotCopiedIntoContainers(t *testing.T) {
	d := wantStack(t, oneService+"    environment: [DOMAIN]\n", "ADMIN_PASSWORD=do-not-copy-me\n", "1", "nginx:1.27")
	if text := string(asJSON(t, d.Stack)); strings.Contains(text, "do-not-copy-me") {
		t.Errorf("the stack holds the whole env file:\n%s", text)
	}
}

func TestScriptExportsReachTheModel(t *testing.T) {
	files := map[string]string{
		"compose.yml": oneService + "    configs: [conf]\nconfigs: {conf: {name: \"${STACK_NAME}_conf_${CONF_VERSION}\", file: conf.txt}}\n",
		"abra.sh":     "export CONF_VERSION=v7\n", "conf.txt": "x",
	}
	d, err := wantFrom(t, files, "CONF_VERSION=v1\n", entryOf(t, "1", "nginx:1.27"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Stack.Configs["web_example_org_conf_v7"]; !ok {
		t.Errorf("configs = %v, want the version of abra.sh", d.Stack.Configs)
	}
}

func TestSampleVariablesThatTheEnvFileLacksAreTold(t *testing.T) {
	files := map[string]string{"compose.yml": oneService, ".env.sample": "TYPE=web\nNEW_ONE=x\n# OPTIONAL=y\nKNOWN=z\n"}
	d, err := wantFrom(t, files, "# KNOWN=z\n", entryOf(t, "1", "nginx:1.27"))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Warnings) != 1 || !strings.HasPrefix(d.Warnings[0], "variable NEW_ONE is in the recipe's .env.sample and not in ") {
		t.Errorf("warnings = %q, want one about NEW_ONE", d.Warnings)
	}
}
