package deployer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

// savedPlan is a plan of the test recipe for a stack that has another image.
func savedPlan(t *testing.T) *SavedPlan {
	t.Helper()
	d := wantPlanned(t, planCompose)
	current := deployedStack(t, wantPlanned(t, strings.Replace(planCompose, "nginx:1.27", "nginx:1.28", 1)))
	current.Secrets["web_example_org_key_v1"] = Secret{Name: "web_example_org_key_v1", ID: "id-of-key"}
	app := writeApp(t, "web.example.org", "TYPE=web\n")
	return (&Engine{Cluster: "cluster"}).Save(app, d, current, planOf(t, d, current))
}

func TestSavedPlanIsReadAsItWasWritten(t *testing.T) {
	saved := savedPlan(t)
	path := filepath.Join(t.TempDir(), "plan")
	for range 2 { // the second time over the first
		if err := WriteSavedPlan(path, saved); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	read, err := ReadSavedPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := string(asJSON(t, saved)), string(asJSON(t, read)); a != b {
		t.Errorf("written:\n%s\nread:\n%s", a, b)
	}
	if err := read.Check(savedPlan(t)); err != nil {
		t.Errorf("nothing differs, and: %v", err)
	}
}

func TestSavedPlanThatDoesNotHold(t *testing.T) {
	for want, change := range map[string]func(*SavedPlan){
		`it is for server "other", not "default"`:             func(s *SavedPlan) { s.Server = "other" },
		`it is for domain "a\x1b[31m", not "web.example.org"`: func(s *SavedPlan) { s.Domain = "a\x1b[31m" },
		`it is for version "9.0.0+9", not "1.0.0+1.27"`:       func(s *SavedPlan) { s.Version = "9.0.0+9" },
		"the server is another swarm":                         func(s *SavedPlan) { s.Cluster = "other" },
		"the catalogue's entry is another one":                func(s *SavedPlan) { s.Entry = "0" },
		"the env file changed":                                func(s *SavedPlan) { s.EnvFile = "0" },
		"service web_example_org_app changed":                 func(s *SavedPlan) { s.World["service web_example_org_app"] = "id-of-web_example_org_app@7" },
		"config web_example_org_conf_v1 is new":               func(s *SavedPlan) { delete(s.World, "config web_example_org_conf_v1") },
		"secret old is gone":                                  func(s *SavedPlan) { s.World["secret old"] = "1" },
		"secret web_example_org_key_v1 changed":               func(s *SavedPlan) { s.World["secret web_example_org_key_v1"] = "1" },
		"the plan differs in service web_example_org_app":     func(s *SavedPlan) { changeOf(s.Plan, "app").Restarts = false },
		"the plan differs in service web_example_org_more": func(s *SavedPlan) {
			s.Plan.Changes = append(s.Plan.Changes, Change{Kind: "service", Name: "web_example_org_more"})
		},
		"the plan differs in the order of changes": func(s *SavedPlan) {
			s.Plan.Changes[0], s.Plan.Changes[1] = s.Plan.Changes[1], s.Plan.Changes[0]
		},
	} {
		saved := savedPlan(t)
		change(saved)
		err := saved.Check(savedPlan(t))
		if err == nil || !strings.HasSuffix(err.Error(), ": "+want) || fault.KindOf(err).ExitCode() != 3 || fault.HintOf(err) == "" {
			t.Errorf("%v (hint %q), want %q", err, fault.HintOf(err), want)
		}
	}
}

func TestFileThatIsNoSavedPlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan")
	good := string(asJSON(t, savedPlan(t)))
	for text, want := range map[string]string{
		"":                            "is no saved plan",
		"[]":                          "is no saved plan",
		`{"format":2`:                 "is no saved plan",
		`{"format":2, "anything": 1}`: "has the format 2; expected 1",
		`{"format":1}`:                "it has no plan or no version",
		strings.Replace(good, `"format"`, `"more": 1, "format"`, 1):    "unknown field",
		strings.Replace(good, `"format": 1`, `"format": "\u001b"`, 1):  "is no saved plan",
		strings.Replace(good, `"plan": {`, `"plan": null, "pl": {`, 1): "unknown field",
	} {
		writeFile(t, path, text)
		if _, err := ReadSavedPlan(path); err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	if _, err := ReadSavedPlan(path + "-none"); err == nil || fault.KindOf(err).ExitCode() != 3 {
		t.Errorf("%v, want that there is none", err)
	}
}

func TestSavedPlanIsMasked(t *testing.T) {
	d := wantPlanned(t, strings.ReplaceAll(planCompose, "correct-horse", "battery-staple"))
	current := deployedStack(t, wantPlanned(t, planCompose))
	text := string(asJSON(t, (&Engine{}).Save(writeApp(t, "web.example.org", "TYPE=web\nDB_PASSWORD=battery-staple\n"), d, current, planOf(t, d, current))))
	if !strings.Contains(text, Masked) || strings.Contains(text, "correct-horse") || strings.Contains(text, "battery-staple") {
		t.Errorf("the file has a password:\n%s", text)
	}
}

func TestWayOutOfAConfigThatChanged(t *testing.T) {
	d := wantPlanned(t, planCompose)
	current := deployedStack(t, d)
	c := current.Configs["web_example_org_conf_v1"]
	c.Spec.Data = []byte("other\n")
	current.Configs["web_example_org_conf_v1"] = c
	_, err := NewPlan(d, current)
	for _, want := range []string{"raises the config's version in abra.sh", "stays with the version that runs", "galley app undeploy web.example.org"} {
		if hint := fault.HintOf(err); !strings.Contains(hint, want) {
			t.Errorf("hint %q, want %q", hint, want)
		}
	}
	delete(current.Services, "web_example_org_app")
	if _, err = NewPlan(d, current); !strings.Contains(fault.HintOf(err), "docker config rm web_example_org_conf_v1") {
		t.Errorf("hint %q; nothing uses the old config", fault.HintOf(err))
	}
}
