package catalogue

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe/source"
)

func expandConfig(t *testing.T, dir, text string) Config {
	t.Helper()
	cfg, err := ParseConfig(filepath.Join(dir, ConfigName), []byte("name: x\nsources:\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// expanded is what a configuration expands to: a line for each source, what was
// skipped and what failed.
func expanded(t *testing.T, cfg Config) (sources, skipped, failed []string) {
	t.Helper()
	got, failures := cfg.Expand(t.Context(), ExpandOptions{Timeout: 10 * time.Second, Skipped: func(s ListSkip) {
		skipped = append(skipped, s.Name+": "+s.Reason)
	}})
	for _, s := range got {
		sources = append(sources, fmt.Sprintf("%s %s", s.Name, s.Location()))
	}
	for _, f := range failures {
		failed = append(failed, fmt.Sprintf("%s: %v", f.Location, f.Err))
	}
	return sources, skipped, failed
}

func initRepository(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append(append([]string{"init", "--quiet"}, args...), dir)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
}

func TestExpandFolder(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, "recipes", name) }
	for _, name := range []string{"web", "matomo", "old-wiki", "UPPER", "name with blanks", ".hidden"} {
		initRepository(t, at(name))
	}
	initRepository(t, at("bare.git"), "--bare")
	initRepository(t, at("web.git"), "--bare")
	initRepository(t, at("group/inside"))
	if err := os.WriteFile(at("README.md"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("matomo"), at("linked")); err != nil {
		t.Fatal(err)
	}
	cfg := expandConfig(t, dir, "  - folder: recipes\n    exclude: ['old-*', UPPER]\n    gate: warning\n    compose: c.yml\n    signers: [keys]\n")
	sources, skipped, failed := expanded(t, cfg)
	want := []string{"bare " + at("bare.git"), "linked " + at("linked"), "matomo " + at("matomo"), "web " + at("web")}
	if diff := cmp.Diff(want, sources); diff != "" || len(failed) > 0 {
		t.Errorf("%s failed: %v", diff, failed)
	}
	if len(skipped) != 2 || !strings.Contains(skipped[0], `recipe name "name with blanks"`) || skipped[1] != "web: web is of that name too" {
		t.Errorf("skipped %q", skipped)
	}
	list, _ := cfg.Expand(t.Context(), ExpandOptions{})
	if s := list[0]; s.List != at("") || s.Gate != "warning" || s.Compose != "c.yml" || !cmp.Equal(s.Signers, []string{filepath.Join(dir, "keys")}) {
		t.Errorf("source = %+v", s)
	}
}

func TestExpandInclude(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"web", "wiki", "matomo"} {
		initRepository(t, filepath.Join(dir, name))
	}
	for include, want := range map[string]string{"['w*']": "web wiki", "['w*', matomo]": "matomo web wiki", "[nothing]": ""} {
		list, failures := expandConfig(t, dir, "  - folder: .\n    include: "+include+"\n").Expand(t.Context(), ExpandOptions{})
		var names []string
		for _, s := range list {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != want || len(failures) > 0 {
			t.Errorf("%s: %q, %v; want %q", include, got, failures, want)
		}
	}
}

// A list that cannot be read must not look like one that is empty.
func TestExpandFailures(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"empty", "some/web"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	initRepository(t, filepath.Join(dir, "some", "web"))
	down := httptest.NewServer(nil)
	down.Close()
	cfg := expandConfig(t, dir, fmt.Sprintf("  - folder: nowhere\n  - folder: some\n  - folder: empty\n  - gitea: %s/recipes\n  - gitea: %s/more\n    token_file: missing\n", down.URL, down.URL))
	sources, _, failed := expanded(t, cfg)
	if len(sources) != 1 || len(failed) != 4 {
		t.Fatalf("sources = %q, failed = %q", sources, failed)
	}
	for i, want := range []string{
		filepath.Join(dir, "nowhere") + ": listing the repositories", filepath.Join(dir, "empty") + ": there is no git repository",
		down.URL + "/recipes: listing the repositories", down.URL + "/more: reading the token",
	} {
		if !strings.HasPrefix(failed[i], want) {
			t.Errorf("failure %d is %q, want %q", i, failed[i], want)
		}
	}
}

func TestExpandPrecedence(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"one/web", "one/wiki", "two/web", "two/mail", "two/wiki"} {
		initRepository(t, filepath.Join(dir, name))
	}
	cfg := expandConfig(t, dir, "  - folder: one\n  - folder: two\n  - path: two/web\n    gate: off\n")
	sources, skipped, failed := expanded(t, cfg)
	at := func(name string) string { return filepath.Join(dir, name) }
	want := []string{"mail " + at("two/mail"), "web " + at("two/web"), "wiki " + at("one/wiki")}
	if diff := cmp.Diff(want, sources); diff != "" || len(failed) > 0 {
		t.Errorf("%s failed: %v", diff, failed)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("wiki: the list %q gives a recipe of that name first", at("one"))}, skipped); diff != "" {
		t.Error(diff)
	}
	list, _ := cfg.Expand(t.Context(), ExpandOptions{})
	if s := list[1]; s.List != "" || s.Gate != GateOff {
		t.Errorf("the exact source lost to a list: %+v", s)
	}
}

// server lists repositories of the organisation "recipes", to those who have the
// token.
func giteaServer(t *testing.T, token string, list func(base string) []map[string]any) string {
	t.Helper()
	var base string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		if token != "" && req.Header.Get("Authorization") != "token "+token {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"message":"token is required"}`))
			return
		}
		w.Header().Set("X-Total-Count", "1")
		_ = json.NewEncoder(w).Encode(list(base))
	}))
	t.Cleanup(server.Close)
	base = server.URL
	return base
}

func TestExpandGitea(t *testing.T) {
	const token = "0123456789abcdef"
	repository := func(name, clone, ssh string) map[string]any {
		return map[string]any{"name": name, "clone_url": clone, "ssh_url": ssh, "archived": name == "archived", "empty": name == "empty"}
	}
	server := giteaServer(t, token, func(base string) []map[string]any {
		var list []map[string]any
		for _, name := range []string{"web", "archived", "empty", "unwanted"} {
			list = append(list, repository(name, base+"/recipes/"+name+".git", "git@git.example.org:recipes/"+name+".git"))
		}
		return append(list,
			repository("elsewhere", "https://other.example.org/elsewhere.git", "ssh://git@git.example.org:2222/recipes/elsewhere.git"),
			repository("local", "/etc", "/etc"),
			repository("file", "file:///etc", "file:///etc"),
			repository("-bad\u001b[0m", base+"/x.git", "git@h:x.git"),
			repository("nothing", "", ""),
		)
	})
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := fmt.Sprintf("  - gitea: %s/recipes\n    token_file: token\n    exclude: [unwanted]\n", server)
	cfg := expandConfig(t, dir, list)
	sources, skipped, failed := expanded(t, cfg)
	if diff := cmp.Diff([]string{"elsewhere https://other.example.org/elsewhere.git", "web " + server + "/recipes/web.git"}, sources); diff != "" || len(failed) > 0 {
		t.Errorf("%s failed: %v", diff, failed)
	}
	wants := []string{"archived: it is archived", "empty: it is empty", `local: the server gives "/etc"`, `file: the server gives "/etc"`, "-bad[0m: recipe name", `nothing: location ""`}
	if len(skipped) != len(wants) {
		t.Fatalf("skipped %q", skipped)
	}
	for i, want := range wants {
		if !strings.HasPrefix(skipped[i], want) {
			t.Errorf("skipped %q, want %q", skipped[i], want)
		}
	}
	found, _ := cfg.Expand(t.Context(), ExpandOptions{})
	if other, own := found[0].Options("c"), found[1].Options("c"); other.Token != "" || own.Token != token || own.CacheDir != "c" {
		t.Errorf("options = %+v and %+v; want the token for its own server alone", other, own)
	}
	if shown := fmt.Sprintf("%v %+v %#v", found, found, found); strings.Contains(shown, token) {
		t.Errorf("the token shows: %s", shown)
	}
	sources, _, _ = expanded(t, expandConfig(t, dir, list+"    transport: ssh\n"))
	if diff := cmp.Diff([]string{"elsewhere ssh://git@git.example.org:2222/recipes/elsewhere.git", "web git@git.example.org:recipes/web.git"}, sources); diff != "" {
		t.Error(diff)
	}
}

func TestTokenFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for file, want := range map[string]string{
		write("open", "s3cret", 0o644):                        "has mode 0644, so that others can read it",
		write("group", "s3cret", 0o640):                       "has mode 0640",
		write("empty", " \n", 0o600):                          "does not hold one",
		write("two", "s3cret s3cret", 0o600):                  "does not hold one",
		write("binary", "s3cret\x00", 0o600):                  "does not hold one",
		write("large", strings.Repeat("s", maxToken), 0o600):  "",
		write("huge", strings.Repeat("s", maxToken+1), 0o600): "does not hold one",
		dir:                              "is no file",
		filepath.Join(dir, "nowhere"):    "no such file",
		write("good", "s3cret\n", 0o600): "",
	} {
		token, err := readToken(file)
		switch {
		case want == "" && (err != nil || token == ""):
			t.Errorf("%s: %v", file, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%s: error = %v, want %q", file, err, want)
		}
	}
	if _, err := readToken(filepath.Join(dir, "open")); fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "chmod 600") {
		t.Errorf("hint = %q", fault.HintOf(err))
	}
}

// Slow lists wait for each other's answers at the same time, and none longer than
// its deadline.
func TestExpandReadsListsAtOnce(t *testing.T) {
	var mu sync.Mutex
	waiting, all := 0, make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "silent") {
			<-req.Context().Done()
			return
		}
		mu.Lock()
		if waiting++; waiting == 4 {
			close(all)
		}
		mu.Unlock()
		select {
		case <-all:
		case <-req.Context().Done():
		}
		name := strings.Split(req.URL.Path, "/")[4]
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Total-Count", "1")
		_ = json.NewEncoder(w).Encode([]map[string]any{{"name": name, "clone_url": "https://git.example.org/" + name}})
	}))
	t.Cleanup(server.Close)
	var text strings.Builder
	for _, owner := range []string{"d", "silent", "c", "b", "a"} {
		fmt.Fprintf(&text, "  - gitea: %s/%s\n", server.URL, owner)
	}
	list, failures := expandConfig(t, t.TempDir(), text.String()).Expand(t.Context(), ExpandOptions{Timeout: time.Second})
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	if strings.Join(names, "") != "abcd" || len(failures) != 1 || !strings.HasSuffix(failures[0].Location, "/silent") {
		t.Errorf("names = %v, failures = %v", names, failures)
	}
}

// What a list gave can be opened with what it gave.
func TestExpandedSourcesOpen(t *testing.T) {
	dir := t.TempDir()
	initRepository(t, filepath.Join(dir, "web"))
	list, _ := expandConfig(t, dir, "  - folder: .\n").Expand(t.Context(), ExpandOptions{})
	for _, s := range list {
		l, err := source.List(t.Context(), s.Location(), s.Options(""))
		if err != nil || len(l.Tags) != 0 {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}
