package deployer

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/fault"
)

// failsWith checks an error that a user reads: its exit code, its words, and
// that it is one line with a hint.
func failsWith(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if code := fault.KindOf(err).ExitCode(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if fault.HintOf(err) == "" {
		t.Errorf("%v: no hint", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("several lines: %q", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

// writeContext writes a docker context as docker's CLI does.
func writeContext(t *testing.T, dir, name, text string) {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	writeFile(t, filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"), text)
}

func TestConnectByContext(t *testing.T) {
	l := useLab(t)
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock") // not for a server with a name
	writeContext(t, dir, "x", `{"Name":"x","Metadata":{},"Endpoints":{"docker":{"Host":"`+l.host+`","SkipTLSVerify":false}}}`)
	e, err := Connect(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Server != "x" || e.NodeID == "" || e.Architecture == "" {
		t.Errorf("%+v", e)
	}
	if _, err := e.Status(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), `there is no stack "nobody" on server "x"`) {
		t.Errorf("%v", err)
	}
}

func TestConnectByEnvironment(t *testing.T) {
	l := useLab(t)
	t.Setenv("DOCKER_HOST", l.host)
	for _, server := range []string{"", DefaultServer} {
		e, err := Connect(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		_ = e.Close()
	}
}

func TestConnectToNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "nobody.sock"))
	_, err := Connect(t.Context(), DefaultServer)
	failsWith(t, err, "no engine answers", `"default"`, "nobody.sock")
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
	_, err = Connect(t.Context(), DefaultServer)
	failsWith(t, err, "no engine answers", "tcp://127.0.0.1:1")
	t.Setenv("DOCKER_HOST", "nonsense")
	_, err = Connect(t.Context(), DefaultServer)
	failsWith(t, err, `connecting to server "default"`, "nonsense")
	_, err = Connect(t.Context(), "far")
	failsWith(t, err, `there is no docker context "far"`)
	writeContext(t, dir, "broken", `{"Name":`)
	if _, err = Connect(t.Context(), "broken"); err == nil || !strings.Contains(err.Error(), `reading docker context "broken"`) {
		t.Errorf("%v", err)
	}
	writeContext(t, dir, "kubernetes", `{"Endpoints":{"kubernetes":{"Host":"https://x"}}}`)
	if _, err = Connect(t.Context(), "kubernetes"); err == nil || !strings.Contains(err.Error(), "has no docker endpoint") {
		t.Errorf("%v", err)
	}
}

func TestConnectToAnEngineWithoutASwarm(t *testing.T) {
	e := engine.StartT(t, engine.Options{})
	t.Setenv("DOCKER_HOST", e.Host())
	_, err := Connect(t.Context(), DefaultServer)
	failsWith(t, err, "is no swarm manager (swarm is inactive)", e.Host())
}
