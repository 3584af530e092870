package lint

import (
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

const wholeConfig = `# what we agreed on
rules:
  R004: off
  S2: info
  stack-schema: error
paths:
  - match: "legacy/**"
    rules: {S203: warning}
exclude: [vendor/, "*.bak.yml"]
enable: [D5]
registries: [docker.io, "registry.example.org:5000"]
platforms: [linux/amd64, linux/arm64/v8]
max_domain: 60
fail_on: warning
`

func parse(t testing.TB, text string) *Config {
	t.Helper()
	c, err := ParseConfig(filepath.Join(t.TempDir(), ConfigName), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseConfig(t *testing.T) {
	c := parse(t, wholeConfig)
	want := Settings{Registries: []string{"docker.io", "registry.example.org:5000"}, Platforms: []string{"linux/amd64", "linux/arm64/v8"}, MaxDomain: 60}
	if !reflect.DeepEqual(c.Settings, want) || c.FailOn != "warning" {
		t.Errorf("settings = %+v, failing level %q", c.Settings, c.FailOn)
	}
	if len(c.rules) != 3 || len(c.paths) != 1 || len(c.exclude) != 2 || len(c.enabled) != 1 {
		t.Errorf("config = %+v", c)
	}
	for _, empty := range []string{"", "# nothing yet\n---\n", "\ufeff\n"} {
		if c := parse(t, empty); c.FailOn != "" || len(c.rules) != 0 {
			t.Errorf("%q gives %+v", empty, c)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a slip in a key", "rule:\n  R004: off\n", `:1:1: unknown key "rule"; did you mean "rules"?`},
		{"an unknown key", "kubernetes: 1\n", `:1:1: unknown key "kubernetes"; expected one of rules, paths, exclude, enable, registries, platforms, max_domain, fail_on`},
		{"a slip below", "paths:\n  - match: a\n    rule: {}\n", `:2:5: paths.0: the key "rules" is missing
:3:5: unknown key "rule"; did you mean "rules"?`},
		{"a severity", "rules:\n  R004: fatal\n", `:2:9: rules.R004: "fatal" is not one of "off", "info", "warning", "error"`},
		{"a boolean", "rules:\n  R004: false\n", `:2:9: rules.R004: "false" is not one of "off", "info", "warning", "error"`},
		{"a type", "exclude: vendor\n", `:1:10: exclude: expected a list, got "vendor"`},
		{"no mapping", "- a\n", `:1:1: the top level is a list; expected a mapping with rules, paths and so on`},
		{"twice", "fail_on: error\nfail_on: info\n", `:2:1: key "fail_on" is there twice, the first time at line 1`},
		{"no YAML", "rules: {\n", `:1:`},
		{"a level", "fail_on: none\n", `:1:10: fail_on: "none" is not one of "info", "warning", "error", "never"`},
		{"a registry", "registries: [\"https://docker.io\"]\n", `:1:14: registries.0: "https://docker.io" does not have the form of a registry's host, such as "docker.io"`},
		{"a platform", "platforms: [arm64]\n", `:1:13: platforms.0: "arm64" does not have the form of a platform, such as "linux/arm64"`},
		{"a number", "max_domain: 0\n", `:1:13: max_domain: `},
		{"a pattern", "exclude: [\"a[\"]\n", `:1:11: pattern "a[": "a[" is not closed or has an empty range`},
		{"out of the folder", "exclude: [../x]\n", `:1:11: pattern "../x": expected names between slashes, relative to the configuration`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseConfig(ConfigName, []byte(test.text))
			if err == nil {
				t.Fatal("no error")
			}
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("kind = %v, want usage", fault.KindOf(err))
			}
			want := ConfigName + strings.ReplaceAll(test.want, "\n:", "\n"+ConfigName+":")
			if !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "\n") != strings.Count(want, "\n") {
				t.Errorf("error =\n%v\nwant\n%s", err, want)
			}
		})
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(wholeConfig)
	f.Add("paths: [{match: '**/a*/[b-c]', rules: &r {R: off}}, {match: x, rules: *r}]\n")
	f.Add("max_domain: 1e3\nfail_on: !!str error\n<<: {rules: 1}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig(ConfigName, []byte(text))
		if err != nil {
			if !strings.Contains(err.Error(), ConfigName) || fault.KindOf(err) != fault.Usage {
				t.Errorf("error = %v, want the place and the kind", err)
			}
			return
		}
		one := Target{Path: ".", Recipe: target(t, map[string]string{"compose.yml": "bad: 1\n"}).Recipe, Config: c}
		if _, err := Run(context.Background(), []Target{one}, larder, Options{}); err != nil && fault.KindOf(err) != fault.Usage {
			t.Error(err)
		}
	})
}
