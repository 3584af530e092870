package lint

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

var larder = []Rule{
	{ID: "D501", Name: "key-order", Off: true, Severity: Info, Check: func(p *Pass) { reportAll(p, "bad") }},
	{ID: "D502", Name: "quotes", Off: true, Severity: Info, Check: func(p *Pass) { reportAll(p, "bad") }},
	{ID: "R004", Name: "unstable-tag", Severity: Warning, Check: func(p *Pass) { reportAll(p, "bad") }},
	{ID: "S203", Name: "stack-schema", Severity: Warning, Check: func(p *Pass) { reportAll(p, "bad") }},
	{ID: "S204", Name: "ports", Severity: Error, Check: func(p *Pass) { reportAll(p, "bad") }},
}

// levelsOf gives what each rule's finding in a file comes to, as "R004=warning".
func levelsOf(t *testing.T, config, dir string, opts Options) string {
	t.Helper()
	top := t.TempDir()
	c, err := ParseConfig(filepath.Join(top, ConfigName), []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	one := target(t, map[string]string{"compose.yml": "bad: 1\n"})
	one.Dir, one.Config = filepath.ToSlash(filepath.Join(top, dir)), c
	result, err := Run(context.Background(), []Target{one}, larder, opts)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range result.Findings {
		all = append(all, fmt.Sprintf("%s=%s", f.Rule, f.Severity))
	}
	return strings.Join(all, " ")
}

func TestConfigLevels(t *testing.T) {
	tests := []struct {
		name, config, dir string
		opts              Options
		want              string
	}{
		{"nothing", "", "a", Options{}, "R004=warning S203=warning S204=error"},
		{"a rule", "rules: {R004: error}", "a", Options{}, "R004=error S203=warning S204=error"},
		{"a rule off, by name", "rules: {unstable-tag: off}", "a", Options{}, "S203=warning S204=error"},
		{"a family", "rules: {S2: info}", "a", Options{}, "R004=warning S203=info S204=info"},
		{"the closest name", "rules: {S203: error, S: off, S2: info}", "a", Options{}, "R004=warning S203=error S204=info"},
		{"a rule wakes", "rules: {D501: warning}", "a", Options{}, "D501=warning R004=warning S203=warning S204=error"},
		{"a family does not wake", "rules: {D5: warning}", "a", Options{}, "R004=warning S203=warning S204=error"},
		{"enabled", "enable: [D5]", "a", Options{}, "D501=info D502=info R004=warning S203=warning S204=error"},
		{"enabled, and one off", "enable: [D5]\nrules: {D502: off}", "a", Options{}, "D501=info R004=warning S203=warning S204=error"},
		{"enabled more closely than off", "enable: [D501]\nrules: {D5: off}", "a", Options{}, "D501=info R004=warning S203=warning S204=error"},
		{"a path", "paths: [{match: a/, rules: {R004: off, S2: info}}]", "a", Options{}, "S203=info S204=info"},
		{"another path", "paths: [{match: a/, rules: {R004: off}}]", "b", Options{}, "R004=warning S203=warning S204=error"},
		{"a path over a rule", "rules: {R004: off}\npaths: [{match: a/, rules: {R004: error}}]", "a", Options{}, "R004=error S203=warning S204=error"},
		{"a rule off elsewhere", "rules: {R004: off}\npaths: [{match: a/, rules: {R004: error}}]", "b", Options{}, "S203=warning S204=error"},
		{"the last path", "paths: [{match: a/, rules: {S2: off}}, {match: compose.yml, rules: {S203: error}}]", "a", Options{}, "R004=warning S203=error"},
		{"a path's family does not wake", "rules: {D5: off}\npaths: [{match: a/, rules: {D5: error}}]", "a", Options{}, "R004=warning S203=warning S204=error"},
		{"flag over rule", "rules: {R004: off, S203: info}", "a", Options{Only: []string{"R004", "S203"}}, "R004=warning S203=info"},
		{"flag over severity", "rules: {S203: info}\npaths: [{match: a/, rules: {S204: info}}]", "a", Options{Levels: map[string]Severity{"S2": Error}}, "R004=warning S203=error S204=error"},
		{"a path's off over a flag's rule", "paths: [{match: a/, rules: {R004: off}}]", "a", Options{Only: []string{"R004", "S203"}}, "S203=warning"},
		{"except", "rules: {R004: error}\npaths: [{match: a/, rules: {R004: error}}]", "a", Options{Except: []string{"R", "S204"}}, "S203=warning"},
		{"enabled by flag", "", "a", Options{Enable: []string{"d501"}}, "D501=info R004=warning S203=warning S204=error"},
		{"excluded", "exclude: [compose.yml]\nrules: {R004: error}", "a", Options{}, "R004=error S203=warning S204=error"}, // given by name
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := levelsOf(t, test.config, test.dir, test.opts); got != test.want {
				t.Errorf("levels = %q, want %q", got, test.want)
			}
		})
	}
}

func TestConfigNamesAreChecked(t *testing.T) {
	c, err := ParseConfig("x/"+ConfigName, []byte("rules:\n  R004: off\n  R040: off\nenable: [kubernetes]\npaths:\n  - {match: a, rules: {Q: off}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	one := target(t, map[string]string{"compose.yml": stack})
	one.Config = c
	_, err = Run(context.Background(), []Target{one}, larder, Options{})
	want := `x/.galley.yml:3:3: no rule is called "R040"; expected an ID like R004, a rule's name or a family like S2
x/.galley.yml:6:24: no rule is called "Q"; expected an ID like R004, a rule's name or a family like S2
x/.galley.yml:4:10: no rule is called "kubernetes"; expected an ID like R004, a rule's name or a family like S2`
	if err == nil || err.Error() != want || fault.KindOf(err) != fault.Usage {
		t.Errorf("error = %v (%v), want\n%s", err, fault.KindOf(err), want)
	}
}

func TestExcludedFilesOfATarget(t *testing.T) {
	top := t.TempDir()
	c, err := ParseConfig(filepath.Join(top, ConfigName), []byte("exclude: [compose.old.yml]\n"))
	if err != nil {
		t.Fatal(err)
	}
	one := target(t, map[string]string{"compose.yml": "bad: 1\n", "compose.old.yml": "bad: 1\n"})
	one.Dir, one.Config = filepath.ToSlash(top), c
	result, err := Run(context.Background(), []Target{one}, larder[2:3], Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := only(t, result.Findings); !strings.HasSuffix(f.File, "/compose.yml") {
		t.Errorf("finding in %s, want the base's alone", f.File)
	}
}

func TestFailingLevels(t *testing.T) {
	tests := []struct {
		config, flag string
		want         bool // for a warning
	}{
		{"", "", false}, {"fail_on: warning", "", true}, {"fail_on: info", "", true}, {"fail_on: never", "", false},
		{"fail_on: warning", "error", false}, {"fail_on: never", "info", true}, {"", "warning", true}, {"fail_on: info", FailNever, false},
	}
	for _, test := range tests {
		one := target(t, map[string]string{"compose.yml": "bad: 1\n"})
		one.Config = parse(t, test.config)
		result, err := Run(context.Background(), []Target{one}, larder[2:3], Options{FailOn: test.flag})
		if err != nil {
			t.Fatal(err)
		}
		if result.Failed() != test.want {
			t.Errorf("%q with the flag %q fails: %v, want %v", test.config, test.flag, result.Failed(), test.want)
		}
	}
	if _, err := Run(context.Background(), nil, larder, Options{FailOn: "none"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("error = %v, want one of kind usage", err)
	}
}

func TestSettingsReachTheRules(t *testing.T) {
	var got Settings
	rule := Rule{ID: "R001", Name: "settings", Check: func(p *Pass) { got = p.Settings }}
	one := target(t, map[string]string{"compose.yml": stack})
	one.Config = parse(t, "registries: [a.example]\nplatforms: [linux/arm64]\nmax_domain: 60\n")
	opts := Options{Settings: Settings{Registries: []string{"b.example"}}}
	if _, err := Run(context.Background(), []Target{one}, []Rule{rule}, opts); err != nil {
		t.Fatal(err)
	}
	if want := (Settings{Registries: []string{"b.example"}, Platforms: []string{"linux/arm64"}, MaxDomain: 60}); !reflect.DeepEqual(got, want) {
		t.Errorf("settings = %+v, want the flag's registries and the rest of the configuration's: %+v", got, want)
	}
}

func TestRuleSetIsThatOfTheConfiguration(t *testing.T) {
	run := func(c *Config) string {
		one := target(t, map[string]string{"compose.yml": stack})
		one.Config = c
		result, err := Run(context.Background(), []Target{one}, larder, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return result.RuleSet
	}
	plain := run(nil)
	if run(parse(t, "fail_on: info\n")) != plain {
		t.Error("a configuration that changes no rule changed the set")
	}
	if run(parse(t, "rules: {R004: off}\n")) == plain || run(parse(t, "rules: {R004: error}\n")) == plain {
		t.Error("a configuration that changes a rule did not change the set")
	}
}
