package catalogue

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serveGit answers git's smart HTTP protocol for the repositories below root,
// with git's own server program.
func serveGit(t testing.TB, root string) string {
	t.Helper()
	execPath, err := exec.Command("git", "--exec-path").Output()
	must(t, err)
	return serveHandler(t, &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		Env: append(os.Environ(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"),
		Stderr: io.Discard,
	})
}

// over gives sources that are fetched over HTTP.
func over(t testing.TB, repos ...gitRepo) Config {
	t.Helper()
	cfg := config(repos...)
	for i, r := range repos {
		cfg.Sources[i].Path, cfg.Sources[i].Git = "", serveGit(t, filepath.Dir(r.dir))+"/"+filepath.Base(r.dir)+"/.git"
	}
	return cfg
}

// input is git with something on its standard input.
func (r gitRepo) input(text string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir}, args...)...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// object writes an object that git itself would not make.
func (r gitRepo) object(kind, content string) string {
	r.t.Helper()
	return r.input(content, "hash-object", "-w", "--stdin", "--literally", "-t", kind)
}

// treeEntry is a line of a tree object.
func treeEntry(t testing.TB, mode, name, hash string) string {
	t.Helper()
	var raw []byte
	_, err := fmt.Sscanf(hash, "%x", &raw)
	must(t, err)
	return mode + " " + name + "\x00" + string(raw)
}

// odd tags a commit of a tree that has a compose file and one more entry.
func (r gitRepo) odd(mode, name, hash string) {
	r.t.Helper()
	blob := r.git("hash-object", "-w", "compose.yml")
	entries := []string{treeEntry(r.t, "100644", "compose.yml", blob), treeEntry(r.t, mode, name, hash)}
	if name < "compose.yml" {
		entries[0], entries[1] = entries[1], entries[0]
	}
	tree := r.object("tree", strings.Join(entries, ""))
	r.git("tag", "-a", "-m", "odd", "1.0.0+1.0", r.git("commit-tree", "-m", "odd", tree))
}

// badVersions are repositories whose version 1.0.0+1.0 cannot be published, by
// the reason that the report must have. Version 2.0.0+1.1 is a good one.
var badVersions = []struct {
	name, reason string
	make         func(r gitRepo)
}{
	{"lightweight-tag", "the tag is lightweight", func(r gitRepo) { r.git("tag", "1.0.0+1.0") }},
	{"tag-of-a-blob", "it leads to a blob, expected a commit", func(r gitRepo) {
		r.git("tag", "-a", "-m", "a blob", "1.0.0+1.0", r.git("hash-object", "-w", "compose.yml"))
	}},
	{"tag-of-a-tree", "it leads to a tree, expected a commit", func(r gitRepo) { r.git("tag", "-a", "-m", "a tree", "1.0.0+1.0", "HEAD^{tree}") }},
	{"symlink-out-of-the-tree", `"link" is a symlink`, func(r gitRepo) { r.odd("120000", "link", r.input("../../etc/passwd", "hash-object", "-w", "--stdin")) }},
	{"symlink-as-compose-file", `compose.yml cannot be read: "compose.yml" is not a regular file`, func(r gitRepo) {
		link := treeEntry(r.t, "120000", "compose.yml", r.input("/etc/passwd", "hash-object", "-w", "--stdin"))
		r.git("tag", "-a", "-m", "odd", "1.0.0+1.0", r.git("commit-tree", "-m", "odd", r.object("tree", link)))
	}},
	{"submodule", `"sub" is a submodule`, func(r gitRepo) { r.odd("160000", "sub", r.git("rev-parse", "HEAD")) }},
	{"not-utf-8", `name "caf\xe9.yml" is not valid UTF-8`, func(r gitRepo) { r.odd("100644", "caf\xe9.yml", r.git("hash-object", "-w", "compose.yml")) }},
	{"path-out-of-the-bundle", `name ".." is not a file's name`, func(r gitRepo) {
		r.odd("40000", "..", r.git("rev-parse", "HEAD^{tree}"))
	}},
	{"slash-in-a-name", `name "../../x.yml" contains a slash`, func(r gitRepo) { r.odd("100644", "../../x.yml", r.git("hash-object", "-w", "compose.yml")) }},
	{"dot-git", `name ".git" is git's own`, func(r gitRepo) { r.odd("40000", ".git", r.git("rev-parse", "HEAD^{tree}")) }},
	{"fifty-megabytes", "object is too large", func(r gitRepo) {
		must(r.t, os.WriteFile(filepath.Join(r.dir, "dump.sql"), make([]byte, 50<<20), 0o644))
		r.odd("100644", "dump.sql", r.git("hash-object", "-w", "dump.sql"))
		must(r.t, os.Remove(filepath.Join(r.dir, "dump.sql")))
	}},
}

// TestBuildFault has one source for each fault, fetched over HTTP by one build,
// which publishes the good version of each.
func TestBuildFault(t *testing.T) {
	w := newWorld(t)
	var repos []gitRepo
	for _, bad := range badVersions {
		r := newRepo(t, bad.name)
		r.write("compose.yml", compose("1.0"))
		r.commit()
		bad.make(r)
		r.write("compose.yml", compose("1.1"))
		r.release("2.0.0+1.1")
		repos = append(repos, r)
	}
	cfg := over(t, repos...)
	report := w.again(cfg, nil)
	for _, bad := range badVersions {
		t.Run(bad.name, func(t *testing.T) {
			got := sourceReport(t, report, bad.name)
			if len(got.Refused) != 1 || got.Refused[0].Version != "1.0.0+1.0" || !strings.Contains(got.Refused[0].Reason, bad.reason) {
				t.Errorf("refused %+v, expected 1.0.0+1.0 with %q (%s)", got.Refused, bad.reason, got.Error)
			}
			if diff := cmp.Diff([]string{"2.0.0+1.1"}, got.Published); diff != "" {
				t.Error(diff)
			}
		})
	}
	if again := w.again(cfg, nil); again.New != 0 || again.Refused != len(badVersions) || again.Requests.References > 0 {
		t.Errorf("the next build: %+v", again)
	}
}

// TestBuildFaultUnreachable and the others after it change a source that was
// published: what is published stays.
func TestBuildFaultUnreachable(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	cfg := over(t, web, proxy)
	w.again(cfg, nil)
	before := snapshotOf(t, w.path("build"))
	cfg.Sources[0].Git = "http://127.0.0.1:1/web/.git"
	report := w.again(cfg, nil)
	got := sourceReport(t, report, "web")
	if !strings.Contains(got.Error, "127.0.0.1:1") || len(got.Published) != 2 || len(got.Withdrawn) > 0 {
		t.Errorf("the source that is down: %+v", got)
	}
	if diff := cmp.Diff(names(before), names(snapshotOf(t, w.path("build")))); diff != "" {
		t.Error(diff)
	}
}

func TestBuildFaultForcePushedTag(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	cfg := over(t, web)
	w.again(cfg, nil)
	before := entryIn(t, w.path("build"), "web", "1.1.0+1.1")
	web.write("compose.yml", compose("1.2"))
	web.commit()
	web.git("tag", "-f", "-a", "-m", "again", "1.1.0+1.1")
	now := web.git("rev-parse", "HEAD")
	for range 2 {
		report := w.again(cfg, nil)
		want := []Moved{{Version: "1.1.0+1.1", Published: before.Commit, Now: now}}
		if diff := cmp.Diff(want, sourceReport(t, report, "web").Moved); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(before, entryIn(t, w.path("build"), "web", "1.1.0+1.1")); diff != "" {
		t.Error(diff)
	}
}

// TestBuildFaultCorruptObject damages the compose file's object in a local
// repository: that is no version without a compose file, and not for good.
func TestBuildFaultCorruptObject(t *testing.T) {
	for _, name := range []string{"compose.yml", "README.md", "compose.db.yml"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			web := webRepo(t)
			hash := web.git("rev-parse", "1.1.0+1.1:"+name)
			object := filepath.Join(web.dir, ".git", "objects", hash[:2], hash[2:])
			good, err := os.ReadFile(object)
			must(t, err)
			must(t, os.Remove(object))
			must(t, os.WriteFile(object, good[:len(good)/2], 0o644))
			got := sourceReport(t, w.again(config(web), nil), "web")
			if len(got.Refused) == 0 || !strings.Contains(got.Refused[len(got.Refused)-1].Reason, "corrupt git object") {
				t.Errorf("refused %+v (%s)", got.Refused, got.Error)
			}
			must(t, os.WriteFile(object, good, 0o644))
			if report := w.again(config(web), nil); report.Versions != 2 || report.Refused > 0 {
				t.Errorf("after it was put right: %+v", report)
			}
		})
	}
}

// TestBuildFaultTenThousandTags has many tags of few commits. Most are
// lightweight: what ten thousand versions cost is a benchmark.
func TestBuildFaultTenThousandTags(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	head := web.git("rev-parse", "HEAD")
	var annotated, refs strings.Builder
	for i := range 10_000 {
		if i%50 == 0 {
			fmt.Fprintf(&annotated, "tag 5.0.%d+1.1\nfrom %s\ntagger Ada <ada@example.org> 1700000000 +0000\ndata 2\nx\n\n", i, head)
			continue
		}
		fmt.Fprintf(&refs, "%s refs/tags/5.0.%d+1.1\n", head, i)
	}
	web.input(annotated.String(), "fast-import", "--quiet")
	web.git("pack-refs", "--all")
	packed, err := os.ReadFile(filepath.Join(web.dir, ".git", "packed-refs"))
	must(t, err)
	_, lines, _ := strings.Cut(string(packed), "\n") // the first says that they are sorted
	web.write(".git/packed-refs", lines+refs.String())
	cfg := over(t, web)
	report := w.again(cfg, nil)
	if report.Versions != 202 || report.Refused != 9_800 || report.Requests.References != 3 {
		t.Errorf("%d versions, %d refused, %d references (%s)", report.Versions, report.Refused, report.Requests.References, sourceReport(t, report, "web").Error)
	}
	if again := w.again(cfg, nil); again.New != 0 || again.Files.Written > 0 || again.Requests.References > 0 {
		t.Errorf("the next build: %d new, files %+v", again.New, again.Files)
	}
}

// TestBuildFaultLargeFileIsBounded fetches 50 MB that do not compress, in a
// process of its own, whose memory is looked at.
func TestBuildFaultLargeFileIsBounded(t *testing.T) {
	w := newWorld(t)
	r := newRepo(t, "web")
	data := make([]byte, 50<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(data) // never fails
	must(t, os.WriteFile(filepath.Join(r.dir, "dump.sql"), data, 0o644))
	r.write("compose.yml", compose("1.0"))
	r.release("1.0.0+1.0")
	r.git("rm", "--quiet", "dump.sql")
	r.release("2.0.0+1.0")
	run := childRun{Sources: over(t, r).Sources, Build: w.path("build"), Cache: w.path("cache"), Registry: w.registry.Addr, Now: start}
	child := run.child(t)
	out, err := child.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "object is too large") {
		t.Errorf("%v\n%s", err, out)
	}
	if peak := child.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10; peak > 600 { // with the race detector three times as much as without
		t.Errorf("the build took %d MB of memory", peak)
	} else {
		t.Logf("%d MB", peak)
	}
	if headIn(t, w.path("build"), "web").Release("2.0.0+1.0") == nil {
		t.Error("the other version was not published")
	}
}
