package rules

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galley-coop/galley/lint"
)

// bomb is an alias bomb: levels of lists, each of nine times the one before.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x]\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	fmt.Fprintf(&b, "services:\n  app:\n    image: a:1\n    command: *a%d\n", levels)
	return b.String()
}

// mergeBomb is a chain of mappings, each of which merges the one before twice.
func mergeBomb(levels int) string {
	var b strings.Builder
	b.WriteString("x-0: &m0 {k: v}\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "x-%d: &m%d {<<: [*m%d, *m%d], k%d: v}\n", i, i, i-1, i-1, i)
	}
	fmt.Fprintf(&b, "services:\n  app:\n    <<: *m%d\n    image: a:1\n", levels)
	return b.String()
}

func services(n int, each string) string {
	var b strings.Builder
	b.WriteString("version: \"3.8\"\nservices:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d:\n%s", i, each)
	}
	return b.String()
}

// nasty are compose files that have brought readers of YAML down. Each must end
// with a finding.
var nasty = map[string]string{
	"empty":                     "",
	"a byte order mark alone":   "\ufeff",
	"NUL":                       "services:\n  a\x00pp:\n    image: x\n",
	"NUL alone":                 "\x00",
	"other control characters":  "services:\n  app:\n    image: \"x\x07\x1b[31m\"\n",
	"invalid UTF-8":             "services:\n  app:\n    image: \"\xff\xfe\xc3\"\n",
	"UTF-16":                    "\xff\xfes\x00e\x00r\x00v\x00i\x00c\x00e\x00s\x00:\x00\n\x00",
	"tabs":                      "services:\n\tapp:\n\t\timage: x\n",
	"CR alone":                  "services:\r  app:\r    image: x:latest\r",
	"a byte order mark, CRLF":   "\ufeffservices:\r\n  app:\r\n    image: x:latest\r\n",
	"no line end":               "services: {app: {image: \"x:latest\"}}",
	"deep flow lists":           "services: " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "\n",
	"deep flow lists, open":     "services: " + strings.Repeat("[", 200_000),
	"deep flow mappings":        "services: " + strings.Repeat("{a: ", 9_000) + "1" + strings.Repeat("}", 9_000) + "\n",
	"deep blocks":               deepBlocks(1_500),
	"deep items":                "services: \n" + strings.Repeat("- ", 9_000) + "x\n",
	"alias bomb":                bomb(12),
	"small alias bomb":          bomb(4),
	"merge bomb":                mergeBomb(30),
	"small merge bomb":          mergeBomb(12),
	"merge of itself":           "services:\n  app: &a\n    <<: *a\n    image: x:latest\n",
	"merge of no mapping":       "services:\n  app:\n    <<: [1, x]\n    !!merge <<: y\n    image: x:latest\n",
	"merge by tag":              "x: &x {image: \"x:latest\"}\nservices:\n  app:\n    !!merge <<: *x\n",
	"cyclic anchor in a list":   "services:\n  app: &a\n    image: x:latest\n    command: [*a]\n",
	"cyclic anchor at the top":  "&top\nservices:\n  app:\n    image: x:latest\n    labels: *top\n",
	"unknown alias":             "services: {app: *gone}\n",
	"ten MB":                    "services:\n" + strings.Repeat("  # "+strings.Repeat("x", 1020)+"\n", 10<<10),
	"nearly four MB":            services(30_000, "    image: \"x:latest\"\n    environment: {A: \"${B:-c}\"}\n    volumes: [\"/a:/b\"]\n    ports: [\"80:80\"]\n"),
	"a huge scalar":             "services:\n  app:\n    image: \"" + strings.Repeat("x", 3<<20) + ":latest\"\n",
	"a huge plain scalar":       "services:\n  app:\n    image: " + strings.Repeat("x ", 1<<20) + "\n",
	"a huge block scalar":       "services:\n  app:\n    image: x:latest\n    command: |\n" + strings.Repeat("      ${A:-${B:-$$c}}\n", 100_000),
	"a huge key":                "? \"" + strings.Repeat("k", 2<<20) + "\"\n: 1\nservices: {app: {image: \"x:latest\"}}\n",
	"one huge line":             "services: {" + strings.Repeat("a: {image: \"é:latest\"}, ", 60_000) + "}\n",
	"many keys twice":           "services:\n" + strings.Repeat("  app: {image: x}\n", 50_000),
	"nested defaults":           "services:\n  app:\n    image: " + strings.Repeat("${A:-", 20_000) + "x" + strings.Repeat("}", 20_000) + "\n",
	"open defaults":             "services:\n  app:\n    image: \"" + strings.Repeat("${A:-", 100_000) + "\"\n",
	"many variables":            "services:\n  app:\n    image: \"x:${V}\"\n    command: \"" + strings.Repeat("${A} $B ", 100_000) + "\"\n",
	"huge numbers":              "services:\n  app:\n    image: x:latest\n    deploy: {replicas: 1" + strings.Repeat("0", 100_000) + "}\n    ports: [1e999999999, .inf, .nan, 0x" + strings.Repeat("f", 1000) + "]\n",
	"keys of all kinds":         "? [a, b]\n: 1\n? {c: d}\n: 2\n? null\n: 3\n~: 4\n1.5: 5\nservices: {1: {image: \"x:latest\"}, ? [x] : y}\n",
	"several documents":         "services: {}\n---\nservices: {app: {image: \"x:latest\"}}\n...\n%YAML 9.9\n---\n",
	"tags":                      "services: !!binary aGVsbG8=\nx: !!python/object:os.system {}\ny: !<tag:yaml.org,2002:str> 1\n",
	"many anchors":              manyAnchors(20_000),
	"many comments that ignore": services(5_000, "    image: x:latest # galley:ignore R004 why\n    # galley:ignore R999\n"),
	"a wide volume list":        "services:\n  app:\n    image: x:latest\n    volumes:\n" + strings.Repeat("      - data:/data\n", 60_000) + "volumes: {data: {}}\n",
	"many published ports":      "services:\n  app:\n    image: x:latest\n    ports: [\"1-65535:1-65535\", \"1-65535:1-65535/udp\"]\n",
	"many depends_on":           ring(3_000),
	"many services":             ring(15_000),
	"many routers":              routers(30_000),
}

func deepBlocks(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := 1; i < n; i++ {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func manyAnchors(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d: &s%d\n    image: x:latest\n", i, i)
		if i > 0 {
			fmt.Fprintf(&b, "    labels: *s%d\n", i-1)
		}
	}
	return b.String()
}

// ring are services that each depend on the next one, the last on the first.
func ring(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {image: \"x:latest\", depends_on: [s%d], networks: [n%d]}\n", i, (i+1)%n, i)
	}
	return b.String()
}

// routers are labels of one service, each of a router of its own.
func routers(n int) string {
	var b strings.Builder
	b.WriteString("services:\n  app:\n    image: x:latest\n    deploy:\n      labels:\n")
	for i := range n {
		fmt.Fprintf(&b, "        - traefik.http.routers.r%d.rule=Host(`a`)\n", i)
	}
	return b.String()
}

// patience is how long one nasty file may take on a machine that is busy. It is
// there to tell slow from endless, not fast from slow.
const patience = 2 * time.Minute

// lintNasty lints a folder on disk and wants an end and a finding.
func lintNasty(t *testing.T, dir string) []lint.Finding {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	targets, _, err := lint.Load(ctx, []string{dir}, lint.LoadOptions{As: lint.AsRecipe, Tracked: true, Configs: lint.NearestConfigs()})
	if err != nil {
		t.Fatal(err)
	}
	result, err := lint.Run(ctx, targets, All(), lint.Options{Ignores: true, Enable: families()})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Findings) == 0 {
		t.Error("no finding")
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Logf("took %v, %d findings", took.Round(time.Millisecond), len(result.Findings))
	}
	return result.Findings
}

// families are the first letters of all rules' IDs: those that are off run too.
func families() []string {
	seen := map[string]bool{}
	var all []string
	for _, rule := range All() {
		if first := rule.ID[:1]; !seen[first] {
			seen[first] = true
			all = append(all, first)
		}
	}
	return all
}

func TestNastyYAML(t *testing.T) {
	for name, text := range nasty {
		if len(text) > largestNasty {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, dir, "compose.yml", text)
			put(t, dir, ".env.sample", "TYPE=x\n")
			lintNasty(t, dir)
		})
	}
}

// TestNastyOverlays puts the same files over a good base.
func TestNastyOverlays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for name, text := range nasty {
		if len(text) > largestNasty {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, data := range baseRecipe(t) {
				put(t, dir, file, string(data.Data))
			}
			put(t, dir, "compose.nasty.yml", text)
			lintNasty(t, dir)
		})
	}
}

// TestNastyCompanions puts them in the place of a recipe's other files: any bytes
// as any of them give findings, and none takes a rule down.
func TestNastyCompanions(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for name, text := range nasty {
		if len(text) > largestNasty {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, data := range baseRecipe(t) {
				put(t, dir, file, string(data.Data))
			}
			for _, file := range []string{".env.sample", "abra.sh", "README.md", "release/1.0.0+1.27.3", "app.conf.tmpl"} {
				put(t, dir, file, text)
			}
			lintNasty(t, dir)
		})
	}
}

func TestNastyFolders(t *testing.T) {
	tests := map[string]func(t *testing.T, dir string){
		"a loop of links": func(t *testing.T, dir string) {
			link(t, dir, "compose.yml", "compose.a.yml")
			link(t, dir, "compose.a.yml", "compose.yml")
		},
		"a link to itself":         func(t *testing.T, dir string) { link(t, dir, "compose.yml", "compose.yml") },
		"a link to nothing":        func(t *testing.T, dir string) { link(t, dir, "compose.yml", "gone.yml") },
		"a link out of the folder": func(t *testing.T, dir string) { link(t, dir, "compose.yml", "../../../../etc/passwd") },
		"a link to the folder":     func(t *testing.T, dir string) { link(t, dir, "sub", "."); link(t, dir, "release", "..") },
		"a folder for each file": func(t *testing.T, dir string) {
			for _, name := range []string{"compose.yml/x", "compose.a.yml/x", "abra.sh/x", "README.md/x"} {
				put(t, dir, name, "x")
			}
		},
		"a file for each folder": func(t *testing.T, dir string) { put(t, dir, "release", "x"); put(t, dir, ".git", "x") },
		"a pipe for each file": func(t *testing.T, dir string) {
			for _, name := range []string{"compose.yml", "compose.a.yml", "abra.sh", "README.md"} {
				if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		},
		"an unreadable file": func(t *testing.T, dir string) {
			put(t, dir, "compose.yml", "services: {}\n")
			if err := os.Chmod(filepath.Join(dir, "compose.yml"), 0); err != nil {
				t.Fatal(err)
			}
		},
		"names of all kinds": func(t *testing.T, dir string) {
			for _, name := range []string{"compose.\x1b[31m.yml", "compose.\xff.yml", "compose. .yml", "compose.\u202e.yml", "release/\n", "compose.a\nb.yml"} {
				put(t, dir, name, "services: [\n")
			}
		},
		"a configuration that is none of ours": func(t *testing.T, dir string) {
			put(t, dir, "compose.yml", "configs: {a: {file: ./compose.yml}, b: {file: ../../x}, c: {file: /etc/passwd}, d: {file: .}}\nservices: {a: {image: x, env_file: [., .., /dev/zero, \"\"], configs: [a, b, c, d]}}\n")
		},
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, dir, ".env.sample", "TYPE=x\n")
			make(t, dir)
			for _, f := range lintNasty(t, dir) {
				if strings.Contains(f.Source, "root:") {
					t.Errorf("a finding shows what is outside the folder: %q", f.Source)
				}
			}
		})
	}
}

func TestManyNastyFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "compose.yml", "services: {}\n")
	for i := range 300 {
		put(t, dir, fmt.Sprintf("compose.%03d.yml", i), "services:\n  app: &a\n    <<: *a\n    image: x:latest\n")
	}
	if found := lintNasty(t, dir); len(found) < 300 {
		t.Errorf("%d findings, want one of each overlay", len(found))
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, dir, name, leads string) {
	t.Helper()
	if err := os.Symlink(leads, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}
