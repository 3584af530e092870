package backups

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRepositoryFails has backups meet repositories that take nothing. Each is refused with
// the reason, what the pre-hook began its post-hook ends, and the app runs on.
func TestRepositoryFails(t *testing.T) {
	t.Parallel()
	a := newApp(t, useStage(t), "repository", "PRE_HOOK=date >/notes/pre")
	a.put("file", "precious")
	if err := os.WriteFile(filepath.Join(a.volume("data"), "noise"), noise(8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	container := a.container()
	secret := filepath.Join(a.home, "password")
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	// What has to answer in time has a fifth of the patience.
	fails := func(name string, hooks int, patience, url, passwordFile string, words ...string) {
		t.Run(name, func(t *testing.T) {
			defer a.within(t)()
			before := a.hooks()
			a.exits(3, append(words, "hint: "), "backup", "create", a.domain, "--without-secrets", "--repository", url, "--password-file", passwordFile, "--backup-patience", patience, "--backup-lock-wait", "0s")
			if got := a.hooks() - before; got != hooks {
				t.Errorf("%d post-hooks ran, want %d", got, hooks)
			}
			if now := a.container(); now != container {
				t.Errorf("the app's container is %s, it was %s", now, container)
			}
			a.holds("file", "precious")
			a.leavesNothing()
		})
	}
	fails("full", 1, "1m", smallRepository(t), secret, "no space left")
	wrong := filepath.Join(a.home, "wrong")
	if err := os.WriteFile(wrong, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails("wrong password", 0, "1m", a.repository(), wrong, "wrong password")
	fails("closed", 0, "1m", "rest:http://127.0.0.1:1/", secret, "connection refused")
	fails("mute", 0, "2s", "rest:http://"+muteServer(t)+"/", secret, "no progress")
	fails("mute later", 1, "15s", "rest:"+stallingServer(t, a.repository())+"/", secret, "no progress")
	if runs := a.must("backup", "ls", a.domain, "-o", "json").out; strings.Contains(runs, `"complete":true`) {
		t.Errorf("there is a complete run: %s", runs)
	}
}

// TestRepositoryFailsBesideTheRest is of an app that does not notice its backup: its volume
// is on its way already when it turns out that the repository does not open.
func TestRepositoryFailsBesideTheRest(t *testing.T) {
	t.Parallel()
	a := newApp(t, useStage(t), "beside", "POST_HOOK=")
	if err := os.WriteFile(filepath.Join(a.volume("data"), "noise"), noise(8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(a.home, "wrong")
	if err := os.WriteFile(wrong, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	for words, where := range map[string]struct{ url, patience string }{
		"wrong password":     {a.repository(), "1m"},
		"connection refused": {"rest:http://127.0.0.1:1/", "1m"},
		"no progress":        {"rest:http://" + muteServer(t) + "/", "2s"},
	} {
		t.Run(words, func(t *testing.T) {
			defer a.within(t)()
			a.exits(3, []string{"opening the repository", words, "hint: "}, "backup", "create", a.domain, "--without-secrets",
				"--repository", where.url, "--password-file", wrong, "--backup-patience", where.patience, "--backup-lock-wait", "0s")
			a.leavesNothing()
		})
	}
}

// smallRepository is one on a disk of 2 MB.
func smallRepository(t *testing.T) string {
	t.Helper()
	isRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	repository := filepath.Join(dir, "repository")
	seed(t, repository)
	return repository
}

// muteServer takes connections and says nothing.
func muteServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return listener.Addr().String()
}

// stallingServer serves a repository as restic's REST servers do, and says nothing any more
// from the first piece of data on.
func stallingServer(t *testing.T, dir string) string {
	t.Helper()
	var stalled atomic.Bool
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/data/") {
			stalled.Store(true)
		}
		if stalled.Load() {
			<-over
			return
		}
		serveRepository(w, r, dir)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(over) }) // comes before
	return server.URL
}

// serveRepository is as much of restic's REST protocol, version 1, as a backup needs
// (restic's manual, "REST Backend").
func serveRepository(w http.ResponseWriter, r *http.Request, dir string) {
	name := filepath.Join(dir, path.Clean("/"+r.URL.Path))
	var err error
	switch {
	case strings.HasSuffix(r.URL.Path, "/") && r.Method == http.MethodGet:
		err = listRepository(w, name)
	case r.Method == http.MethodPost:
		err = receive(name, r)
	case r.Method == http.MethodDelete:
		err = os.Remove(name)
	default:
		http.ServeFile(w, r, name)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
	}
}
