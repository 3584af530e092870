package source

import (
	"context"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repo is a git repository that a test builds with git itself.
type repo struct {
	t   testing.TB
	dir string
}

// newRepo makes a work tree with the branch main and no commit.
func newRepo(t testing.TB, args ...string) repo {
	t.Helper()
	r := repo{t, filepath.Join(t.TempDir(), "recipe")}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git(append([]string{"init", "--quiet", "--initial-branch=main"}, args...)...)
	return r
}

// gitEnv keeps the machine's and the user's git configuration out, and makes
// hashes the same in each run.
func gitEnv() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_AUTHOR_DATE=2024-05-06T07:08:09+02:00",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org", "GIT_COMMITTER_DATE=2024-05-06T07:08:09+02:00")
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	return r.gitIn("", args...)
}

func (r repo) gitIn(stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir, "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Env = gitEnv()
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (r repo) write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// commit commits the whole work tree, and returns the commit's hash.
func (r repo) commit(message string) string {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// commitTree commits a tree that git's own commands would not make from a work
// tree: entries are lines of `git mktree`.
func (r repo) commitTree(entries ...string) string {
	r.t.Helper()
	tree := r.gitIn(strings.Join(entries, "\x00")+"\x00", "mktree", "-z", "--missing")
	return r.git("commit-tree", "-m", "made by hand", tree)
}

func (r repo) blob(content string) string {
	r.t.Helper()
	return r.gitIn(content, "hash-object", "-w", "--stdin")
}

func (r repo) annotate(name string, args ...string) {
	r.t.Helper()
	r.git(append([]string{"tag", "-a", "-m", "chore: publish " + name + " release", name}, args...)...)
}

// open opens what location names, and closes it when the test ends.
func open(t testing.TB, location string, opts Options) *Repository {
	t.Helper()
	opened, err := Open(t.Context(), location, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened
}

func versionsOf(t testing.TB, r *Repository) []Version {
	t.Helper()
	versions, err := r.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return versions
}

func names(versions []Version) string {
	var list []string
	for _, v := range versions {
		list = append(list, v.Name)
	}
	return strings.Join(list, " ")
}

// serve answers git's smart HTTP protocol for all repositories below root, with
// git's own server program, after wrap had its say.
func serve(t testing.TB, root string, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler = &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		Env:    append(gitEnv(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"),
		Stderr: io.Discard,
	}
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// served is a repository with one commit and its URL.
func served(t testing.TB, wrap func(http.Handler) http.Handler) (repo, string) {
	t.Helper()
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	r.commit("first")
	return r, serve(t, filepath.Dir(r.dir), wrap) + "/recipe/.git"
}

// eventually polls until ok is true, and fails the test after ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited ten seconds: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// tagsOf are the tags of a listing.
func tagsOf(ctx context.Context, location string, opts Options) (map[string]PeeledTag, error) {
	l, err := List(ctx, location, opts)
	if err != nil {
		return nil, err
	}
	return l.Tags, nil
}
