package deployer

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dockerContext makes a docker context of that name.
func dockerContext(t *testing.T, config, name, host string) {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	writeFile(t, filepath.Join(config, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"),
		`{"Name":"`+name+`","Endpoints":{"docker":{"Host":"`+host+`"}}}`)
}

// TestServersAnswerForThemselves asks one that lives, one that takes connections
// and says nothing, one that is not there, and one that no context names.
func TestServersAnswerForThemselves(t *testing.T) {
	r := serialRig(t, "fleet")
	d := r.desired("1.0.0+1", compose("1"))
	r.converges(d)
	config := t.TempDir()
	t.Setenv("DOCKER_CONFIG", config)
	silent, err := net.Listen("unix", filepath.Join(config, "silent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dockerContext(t, config, "alive", r.lab.host)
	dockerContext(t, config, "silent", "unix://"+silent.Addr().String())
	dockerContext(t, config, "dead", "unix://"+filepath.Join(config, "no.sock"))
	servers := AskServers(t.Context(), Dir{t.TempDir()}, []string{"alive", "dead", "nameless"}, time.Minute)
	defer CloseServers(servers)
	servers = append(servers, AskServers(t.Context(), Dir{t.TempDir()}, []string{"silent"}, time.Second)...)
	for i, want := range []string{"", "no engine answers", "there is no docker context", "did not answer within 1s"} {
		s := servers[i]
		if s.Up != (want == "") || !strings.Contains(s.Error, want) || (s.Error == "") != s.Up || (s.Err() == nil) != s.Up || (s.Engine != nil) != s.Up {
			t.Errorf("%s is up: %v, says %q, want %q", s.Name, s.Up, s.Error, want)
		}
	}

	app := App{Domain: r.domain, Server: "alive", Stack: r.stack, Recipe: "test", Version: "1.0.0+1"}
	for _, test := range []struct {
		app    App
		server *ServerState
		want   State
	}{
		{app, servers[0], StateRunning}, {app, servers[1], StateUnreachable}, {app, nil, StateNotAsked},
		{App{Server: "alive", Stack: "elsewhere"}, servers[0], StateUndeployed},
	} {
		got := NewAppState(test.app, test.server)
		if got.State != test.want || got.Services == nil || got.Drift != DriftUnknown {
			t.Errorf("it is %s, want %s: %s", got.State, test.want, asJSON(t, got))
		}
	}
	running := NewAppState(app, servers[0])
	if running.Health != HealthGood || running.Running != 1 || running.Wanted != 1 || running.Version != "1.0.0+1" {
		t.Errorf("%s", asJSON(t, running))
	}
	if strays := servers[0].Strays([]App{app}); len(strays) != 0 {
		t.Errorf("strays beside the app: %s", asJSON(t, strays))
	}
	strays := servers[0].Strays([]App{{Server: "dead", Stack: r.stack}})
	if len(strays) != 1 || strays[0].State != StateNoEnvFile || strays[0].Stack != r.stack || strays[0].Recipe != "test" {
		t.Errorf("strays without it: %s", asJSON(t, strays))
	}

	t.Log("what somebody changed by hand drifts, whatever the catalogue says")
	spec, id, version := r.service("app")
	spec.Labels["by"] = "hand"
	r.change(id, version, spec)
	again := AskServers(t.Context(), Dir{t.TempDir()}, []string{"alive"}, time.Minute)
	defer CloseServers(again)
	if got := NewAppState(app, again[0]); got.Drift != DriftYes {
		t.Errorf("%s", asJSON(t, got))
	}
}
