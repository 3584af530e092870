package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

func TestCredentials(t *testing.T) {
	r, url := served(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if user, password, _ := req.BasicAuth(); user != "ada" || password != "s3cret/pass" {
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "no entry for "+user+":"+password, http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	r.annotate("1.0.0+1.0")
	with := func(userinfo string) string { return strings.Replace(url, "http://", "http://"+userinfo, 1) }
	cache := t.TempDir()
	opened := open(t, with("ada:s3cret%2Fpass@"), Options{CacheDir: cache})
	if got := names(versionsOf(t, opened)); got != "1.0.0+1.0" {
		t.Errorf("versions = %s", got)
	}
	if got := opened.Source().String(); got != url {
		t.Errorf("shown URL = %q, want %q", got, url)
	}
	err := filepath.WalkDir(cache, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("s3cret")) {
			t.Errorf("the password is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, userinfo := range []string{"", "ada:wr0ng%2Fpass@", "t0kenwr0ng@"} {
		_, err := Open(t.Context(), with(userinfo), Options{CacheDir: cache})
		if !errors.Is(err, ErrAuthentication) || fault.HintOf(err) == "" {
			t.Errorf("with %q: error = %v, want authentication required", userinfo, err)
			continue
		}
		if strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("error shows the password: %v", err)
		}
	}
}

func answering(t *testing.T, status int, contentType, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/recipe.git"
}

// silent accepts connections, and never says a word.
func silent(t *testing.T) string {
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

func TestServersThatAreNoUse(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	untrusted := httptest.NewUnstartedServer(nil)
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	t.Setenv("SSH_AUTH_SOCK", "")
	for what, c := range map[string]struct {
		url  string
		is   error
		hint string
	}{
		"not found":         {answering(t, 404, "text/plain", "no such thing"), ErrNotRepository, "private repository"},
		"forbidden":         {answering(t, 403, "text/html", "<html>"), ErrAuthentication, "ssh agent"},
		"HTML":              {answering(t, 200, "text/html", "<!DOCTYPE html><html>welcome</html>"), nil, "that of a git repository"},
		"an empty answer":   {answering(t, 200, "application/x-git-upload-pack-advertisement", ""), nil, "that of a git repository"},
		"cut off":           {answering(t, 200, "application/x-git-upload-pack-advertisement", "001e# service=git-up"), nil, "that of a git repository"},
		"a server error":    {answering(t, 500, "text/plain", "oops"), nil, "that of a git repository"},
		"nobody listening":  {gone.URL + "/x.git", nil, "cannot be reached"},
		"git, nobody there": {strings.Replace(gone.URL, "http", "git", 1) + "/x.git", nil, "cannot be reached"},
		"no such host":      {"https://does-not-exist.invalid/x.git", nil, "cannot be reached"},
		"no trust":          {untrusted.URL + "/x.git", nil, "certificate"},
		"ssh, no agent":     {"git@127.0.0.1:x.git", nil, "ssh agent"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := Open(t.Context(), c.url, Options{CacheDir: t.TempDir(), Timeout: 20 * time.Second})
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("error = %v, hint %q; want %v and a hint with %q", err, fault.HintOf(err), c.is, c.hint)
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || len(err.Error()) > 500) {
				t.Errorf("error is not one short line: %q", err)
			}
			if _, err := tagsOf(t.Context(), c.url, Options{}); err == nil {
				t.Error("Remote gave no error")
			}
		})
	}
}

func TestSilentServersRunIntoTheTimeout(t *testing.T) {
	agent, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Close() })
	hosts := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(hosts, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", agent.Addr().String())
	t.Setenv("SSH_KNOWN_HOSTS", hosts)
	for _, scheme := range []string{"http", "git", "ssh"} {
		t.Run(scheme, func(t *testing.T) {
			url := fmt.Sprintf("%s://%s/x.git", scheme, silent(t))
			start := time.Now()
			_, err := Open(t.Context(), url, Options{CacheDir: t.TempDir(), Timeout: 100 * time.Millisecond})
			if !errors.Is(err, context.DeadlineExceeded) || fault.HintOf(err) == "" {
				t.Errorf("error = %v, want the deadline", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := Open(ctx, url, Options{CacheDir: t.TempDir()}); !errors.Is(err, context.Canceled) {
				t.Errorf("error = %v, want canceled", err)
			}
		})
	}
}

// A fetch that hangs half-way must leave no partial mirror to be taken for a whole one.
func TestServerThatStopsHalfWay(t *testing.T) {
	stall := make(chan struct{})
	r, url := served(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method != http.MethodPost {
				next.ServeHTTP(w, req)
				return
			}
			select {
			case <-stall:
			case <-req.Context().Done():
			}
		})
	})
	t.Cleanup(func() { close(stall) })
	r.annotate("1.0.0+1.0")
	cache := t.TempDir()
	_, err := Open(t.Context(), url, Options{CacheDir: cache, Timeout: 300 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the deadline", err)
	}
	if left, err := filepath.Glob(filepath.Join(cache, "*.git*")); err != nil || len(left) != 1 || !strings.HasSuffix(left[0], ".lock") {
		t.Errorf("left in the cache: %v, %v; want the lock alone", left, err)
	}
}

func TestGitProtocol(t *testing.T) {
	r, commit := tagged(t)
	address := gitDaemon(t, filepath.Dir(r.dir))
	var opened *Repository
	eventually(t, "git daemon to answer", func() bool {
		var err error
		opened, err = Open(t.Context(), "git://"+address+"/recipe/.git", Options{CacheDir: t.TempDir()})
		return err == nil
	})
	versions := versionsOf(t, opened)
	if names(versions) != "1.0.0+1.0" || versions[0].Commit != commit {
		t.Errorf("versions = %+v", versions)
	}
}

// gitDaemon starts git's own server on a port that was free a moment ago, and
// stops it with the test.
func gitDaemon(t *testing.T, root string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(filepath.Join(strings.TrimSpace(string(out)), "git-daemon"),
		"--listen=127.0.0.1", "--port="+port, "--export-all", "--base-path="+root)
	daemon.Env = append(gitEnv(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	return address
}
