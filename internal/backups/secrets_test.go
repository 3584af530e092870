package backups

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
)

// TestSecretsStaySecret backs an app up and looks for its secret everywhere that others may
// look meanwhile and afterwards: arguments and environments of all processes, specs, logs,
// what galley says, and the repository.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	a := newApp(t, useStage(t), "secret", "PRE_HOOK=cat /run/secrets/token >/notes/token")
	p := a.start("backup", "create", a.domain, "-o", "json")
	value := ""
	seen := map[string]bool{} // what was looked through
	for ended := false; !ended; {
		select {
		case <-p.ended:
			ended = true
		default:
		}
		if value == "" {
			value = read(t, filepath.Join(a.volume("notes"), "token"))
			continue
		}
		for place, text := range a.inTheOpen() {
			seen[strings.Fields(place)[0]] = true
			if holds(text, value) {
				t.Errorf("the secret is in %s: %.300q", place, text)
			}
		}
	}
	e := a.ended(p.wait(), 0)
	for _, kind := range []string{"arguments", "environment", "service", "container"} {
		if !seen[kind] {
			t.Errorf("the test looked through no %s", kind)
		}
	}
	if len(value) != 20 || holds([]byte(e.out+e.err), value) {
		t.Errorf("galley says the secret %q: %v", value, e)
	}
	files := 0
	for _, dir := range []string{a.home, filepath.Join(filepath.Dir(a.data), "daemon.log")} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			files++
			if holds(data, value) {
				t.Errorf("the secret is in %s", path)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
	if files < 10 {
		t.Errorf("%d files were looked through", files)
	}
	a.leavesNothing()
}

// holds tells text that has a value, as it is or as JSON of the engine's has bytes.
func holds(text []byte, value string) bool {
	coded := base64.StdEncoding.EncodeToString([]byte(value))
	return bytes.Contains(text, []byte(value)) || bytes.Contains(text, []byte(strings.TrimRight(coded, "="))[:20])
}

// inTheOpen is what others can see of what runs now.
func (a *app) inTheOpen() map[string][]byte {
	a.t.Helper()
	open := map[string][]byte{}
	for kind, pattern := range map[string]string{"arguments": "/proc/[0-9]*/cmdline", "environment": "/proc/[0-9]*/environ"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			if data, err := os.ReadFile(name); err == nil {
				open[kind+" of "+name] = data
			}
		}
	}
	ctx := context.Background()
	services, err := a.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: label("galley.carrier=" + a.stack)})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, s := range services {
		_, raw, err := a.api.ServiceInspectWithRaw(ctx, s.ID, swarm.ServiceInspectOptions{})
		if err == nil {
			open["service "+s.Spec.Name] = raw
		}
	}
	tasks, err := a.api.TaskList(ctx, swarm.TaskListOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, task := range tasks {
		status := task.Status.ContainerStatus
		if !slices.ContainsFunc(services, func(s swarm.Service) bool { return s.ID == task.ServiceID }) || status == nil {
			continue
		}
		if _, raw, err := a.local.ContainerInspectWithRaw(ctx, status.ContainerID, false); err == nil {
			open["container "+status.ContainerID] = raw
		}
	}
	return open
}

// TestSecretsComeBack restores an app whose secrets are gone: with their values; under
// their next version where the name has another value by now; and not at all from a
// backup without them.
func TestSecretsComeBack(t *testing.T) {
	t.Parallel()
	a := newApp(t, useStage(t), "values", "PRE_HOOK=cat /run/secrets/token >/data/token")
	with, without := a.backUp(), a.backUp("--without-secrets")
	value := read(t, filepath.Join(a.volume("data"), "token"))
	a.must("undeploy", a.domain, "--purge", "--yes")
	if left := a.secrets(); len(left) > 0 {
		t.Fatalf("left: %q", left)
	}
	t.Run("without", func(t *testing.T) {
		defer a.within(t)()
		a.exits(3, []string{"neither the backup nor the server has the secrets " + a.stack + "_token_v1", "galley app secret insert"}, "restore", a.domain, without, "--yes")
		a.leavesNothing()
	})
	t.Run("conflict", func(t *testing.T) {
		defer a.within(t)()
		_, err := a.api.SecretCreate(context.Background(), swarm.SecretSpec{
			Annotations: swarm.Annotations{Name: a.stack + "_token_v1", Labels: map[string]string{"com.docker.stack.namespace": a.stack}}, Data: []byte("another value"),
		})
		if err != nil {
			t.Fatal(err)
		}
		e := a.restore(with)
		if want := "secret " + a.stack + "_token_v1 has another value on the server: the backup's becomes " + a.stack + "_token_v2"; !strings.Contains(e.err, want) {
			t.Errorf("it does not say %q: %v", want, e)
		}
		if now := read(t, a.envFile()); !strings.Contains(now, "SECRET_TOKEN_VERSION=v2") {
			t.Errorf("the env file is\n%s", now)
		}
		if got := a.secrets(); !slices.Equal(got, []string{a.stack + "_token_v1", a.stack + "_token_v2"}) {
			t.Errorf("the secrets are %q", got)
		}
		if err := os.Remove(filepath.Join(a.volume("data"), "token")); err != nil {
			t.Fatal(err)
		}
		again := a.backUp() // its hook shows the value
		a.holds("token", value)
		if shown, _ := json.Marshal(value); strings.Contains(e.out+e.err, string(shown)) {
			t.Errorf("galley says the secret: %v", e)
		}
		a.restore(again)
		a.leavesNothing()
	})
}
