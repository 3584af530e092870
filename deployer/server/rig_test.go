package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/sshd"
)

// shared is the engine of the tests that need one: a swarm of one manager.
var shared = engine.Shared{Options: engine.Options{Swarm: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// operator is an operator's files in a fresh place, with docker contexts of its own.
func operator(t *testing.T) deployer.Dir {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", filepath.Join(t.TempDir(), "docker"))
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "nobody.sock"))
	return deployer.Dir{Root: filepath.Join(t.TempDir(), "galley")}
}

// overSSH starts an ssh server whose sessions find an engine at host, and gives the
// operator an ssh of his own, which does not know its host key.
func overSSH(t *testing.T, host string) (*sshd.Server, *sshd.Client) {
	t.Helper()
	s := sshd.StartT(t, sshd.Options{Env: map[string]string{"DOCKER_HOST": host}})
	c, err := sshd.NewClient(t.Context(), t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", c.Path())
	return s, c
}

// failsWith checks an error that an operator reads.
func failsWith(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, expected one that says %q", words)
		return
	}
	if fault.KindOf(err) != kind || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q: exit code %d, want %d, in one line", err, fault.KindOf(err).ExitCode(), kind.ExitCode())
	}
	for _, word := range words {
		if !strings.Contains(err.Error()+" "+fault.HintOf(err), word) {
			t.Errorf("%q (hint %q) does not say %q", err, fault.HintOf(err), word)
		}
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
