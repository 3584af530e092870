package catalogue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

func TestParseConfig(t *testing.T) {
	cfg, err := ParseConfig("/etc/co-op/galley-catalogue.yml", []byte(`
name: Our recipes
sources:
  - git: https://git.example.org/recipes/matomo.git
  - git: git@git.example.org:recipes/lemp.git
    gate: off
  - path: ../recipes/traefik
    name: proxy
    compose: docker-compose.yml
    gate: warning
  - path: /srv/web
    signers: [keys/allowed_signers, /etc/keys.asc]
  - folder: ../recipes/
    include: ["m*", web]
    exclude: ["*-old"]
    gate: info
  - gitea: https://Git.example.org/co-op/
    token_file: ../token
    transport: ssh
    compose: compose.yaml
    signers: [team]
  - gitea: https://git.example.org/friends
keep: 2w
max_requests: 5000
platforms: [linux/amd64, linux/arm64]
registries: {docker.io: mirror.example.org/hub}
insecure: ["registry.internal:5000"]
expiry: {timestamp: 36h, root: 2y}
`))
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	want := Config{
		Name: "Our recipes",
		Sources: []Source{
			{Name: "matomo", Git: "https://git.example.org/recipes/matomo.git", Gate: "error"},
			{Name: "lemp", Git: "git@git.example.org:recipes/lemp.git", Gate: "off"},
			{Name: "proxy", Path: "/etc/recipes/traefik", Compose: "docker-compose.yml", Gate: "warning"},
			{Name: "web", Path: "/srv/web", Gate: "error", Signers: []string{"/etc/co-op/keys/allowed_signers", "/etc/keys.asc"}},
		},
		Lists: []List{
			{Folder: "/etc/recipes", Include: []string{"m*", "web"}, Exclude: []string{"*-old"}, Gate: "info"},
			{
				Gitea: "https://git.example.org/co-op", TokenFile: "/etc/token", Transport: "ssh", Compose: "compose.yaml",
				Gate: "error", Signers: []string{"/etc/co-op/team"},
			},
			{Gitea: "https://git.example.org/friends", Transport: "https", Gate: "error"},
		},
		Keep: 14 * day, MaxRequests: 5000,
		Platforms:  []registry.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}},
		Registries: map[string]string{"docker.io": "mirror.example.org/hub"},
		Insecure:   []string{"registry.internal:5000"},
		Expiry:     trust.Expiry{Root: 2 * 365 * day, Targets: 90 * day, Snapshot: 90 * day, Timestamp: 36 * time.Hour},
	}
	cfg.file = ""
	if diff := cmp.Diff(want, cfg, cmp.AllowUnexported(Config{}, Source{})); diff != "" {
		t.Error(diff)
	}
}

func TestParseConfigNamesThePlace(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "c.yml:1:1: "},
		{"list", "- a\n", "a mapping with name and sources"},
		{"broken", "name: [\n", "c.yml:"},
		{"missing", "name: x\n", `c.yml:1:1: the key "sources" is missing`},
		{"unknown", "name: x\nsources: []\nplatform: []\n", `c.yml:3:1: unknown key "platform"; did you mean "platforms"?`},
		{"unknown in source", "name: x\nsources:\n  - gti: a\n    path: a\n", `c.yml:3:5: unknown key "gti"; did you mean "git"?`},
		{"unknown far", "name: x\nsources: []\nzzzzzz: 1\n", `c.yml:3:1: unknown key "zzzzzz"; expected one of name, sources`},
		{"type", "name: x\nsources: web\n", "c.yml:2:10: sources: expected a list"},
		{"twice", "name: x\nname: y\nsources: []\n", `c.yml:2:1: key "name" is there twice`},
		{"gate", "name: x\nsources:\n  - path: a\n    gate: fatal\n", `c.yml:4:11: sources.0.gate: "fatal" is not one of`},
		{"no location", "name: x\nsources:\n  - name: a\n", "c.yml:3:5: the source has none of git, path, folder and gitea"},
		{"two locations", "name: x\nsources:\n  - git: https://h/a\n    path: a\n", "c.yml:4:5: the source has git and path, which do not go together"},
		{"folder and path", "name: x\nsources:\n  - folder: a\n    path: a\n", "c.yml:4:5: the source has folder and path"},
		{"folder and gitea", "name: x\nsources:\n  - folder: a\n    gitea: https://h/a\n", "c.yml:3:5: the source has gitea and folder"},
		{"name of a list", "name: x\nsources:\n  - folder: a\n    name: a\n", "c.yml:4:5: the source has folder and name"},
		{"token of a folder", "name: x\nsources:\n  - folder: a\n    token_file: a\n", "c.yml:4:5: the source has folder and token_file"},
		{"include of one", "name: x\nsources:\n  - path: a\n    include: [a]\n", "c.yml:4:5: the source has path and include"},
		{"pattern", "name: x\nsources:\n  - folder: a\n    exclude: ['a', '[']\n", `c.yml:4:20: pattern "["`},
		{"gitea without owner", "name: x\nsources:\n  - gitea: https://h\n", `c.yml:3:12: gitea: address "https://h"`},
		{"gitea with a password", "name: x\nsources:\n  - gitea: https://u:p@h/a\n", "c.yml:3:12: gitea: the address has credentials"},
		{"token in the clear", "name: x\nsources:\n  - gitea: http://h/a\n    token_file: t\n", "c.yml:4:17: the token would be sent to h without encryption"},
		{"transport", "name: x\nsources:\n  - gitea: https://h/a\n    transport: git\n", `c.yml:4:16: sources.0.transport: "git" is not one of`},
		{"list twice", "name: x\nsources:\n  - folder: a\n  - folder: ./a/\n", `c.yml:4:5: the list "a" is there twice`},
		{"no signers", "name: x\nsources:\n  - path: a\n    signers: []\n", "c.yml:4:14: sources.0.signers"},
		{"unknown in list", "name: x\nsources:\n  - folder: a\n    includes: [a]\n", `c.yml:4:5: unknown key "includes"; did you mean "include"?`},
		{"keep", "name: x\nsources: []\nkeep: never\n", `c.yml:3:7: keep: "never" is no duration`},
		{"keep too long", "name: x\nsources: []\nkeep: 999y\n", `c.yml:3:7: keep "999y": expected at most 100y`},
		{"requests", "name: x\nsources: []\nmax_requests: many\n", "c.yml:3:15: max_requests: expected a number"},
		{"requests, none", "name: x\nsources: []\nmax_requests: 0\n", "c.yml:3:15: max_requests"},
		{"same name", "name: x\nsources:\n  - path: b/web\n  - path: c/web\n", `c.yml:4:5: recipe "web" is there twice, the first time at line 3`},
		{"bad name", "name: x\nsources:\n  - path: a\n    name: ../a\n", `c.yml:4:11: recipe name "../a"`},
		{"bad URL", "name: x\nsources:\n  - git: ftp://h/a\n", `c.yml:3:10: scheme "ftp"`},
		{"path as git", "name: x\nsources:\n  - git: ../a\n", `c.yml:3:10: "../a" is no URL`},
		{"compose", "name: x\nsources:\n  - path: a\n    compose: ../x.yml\n", `c.yml:4:14: compose file "../x.yml"`},
		{"platform", "name: x\nsources: []\nplatforms: [amd64]\n", `c.yml:3:13: platform "amd64"`},
		{"expiry", "name: x\nsources: []\nexpiry: {root: soon}\n", `c.yml:3:16: expiry.root: "soon" is no duration`},
		{"expiry role", "name: x\nsources: []\nexpiry: {roots: 1y}\n", `unknown key "roots"; did you mean "root"?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseConfig("c.yml", []byte(tt.text))
			wants(t, err, fault.Usage, tt.want)
		})
	}
}

func TestParseConfigDefaults(t *testing.T) {
	cfg, err := ParseConfig("c.yml", []byte("name: x\nsources: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Keep != 7*24*time.Hour || cfg.MaxRequests != 0 {
		t.Errorf("keep = %v, most requests = %d", cfg.Keep, cfg.MaxRequests)
	}
}

func TestLoadConfigMissing(t *testing.T) {
	_, err := LoadConfig(filepath.Join(t.TempDir(), ConfigName))
	wants(t, err, fault.Unavailable, ConfigName)
}

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's ours")
	made, err := Init(dir, InitOptions{Now: start})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := LoadConfig(made.Config)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Name != "it's ours" || len(cfg.Sources) != 0 {
		t.Errorf("example reads as %+v", cfg)
	}
	modes := map[string]os.FileMode{".": 0o700, "root.pem": 0o600, "targets.pem": 0o600, "snapshot.pem": 0o600, "timestamp.pem": 0o600}
	for name, want := range modes {
		info, err := os.Stat(filepath.Join(made.Keys, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, expected %o", name, info.Mode().Perm(), want)
		}
	}
	root, err := os.ReadFile(made.Root)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := trust.NewChain(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := chain.Expires().Sub(start); got != 365*24*time.Hour {
		t.Errorf("root is valid for %v, expected a year", got)
	}
	if made.Fingerprint != RootFingerprint(root) || len(ShortFingerprint(made.Fingerprint)) != 19 {
		t.Errorf("fingerprint %q", made.Fingerprint)
	}
}

// TestInitExample un-comments the example, so that it stays right.
func TestInitExample(t *testing.T) {
	text := strings.ReplaceAll(exampleConfig, "NAME", "x")
	text = strings.Replace(text, "sources: []", "sources:", 1)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") || strings.HasPrefix(line, "#  ") {
			lines[i] = rest
		}
	}
	cfg, err := ParseConfig("c.yml", []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Sources) != 2 || len(cfg.Lists) != 2 || cfg.MaxRequests != 5000 || len(cfg.Platforms) != 2 || len(cfg.Registries) != 1 || len(cfg.Insecure) != 1 {
		t.Errorf("example reads as %+v", cfg)
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	for _, name := range []string{ConfigName, KeysName, RootName} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Init(dir, InitOptions{})
			wants(t, err, fault.Usage, name)
			if diff := cmp.Diff(map[string]string{name: "mine"}, snapshotOf(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
