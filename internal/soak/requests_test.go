package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// TestNoRequestFails upgrades an app with start-first, then to a version that never
// becomes healthy, and then to one that does while another service of it does not,
// so that the app is put back; meanwhile a client asks the app 50 times a second.
//
// The client runs on the stack's own network and asks by tasks.app: the name under
// which swarm gives the addresses of the tasks that are ready, and nothing else. It
// is what a proxy in front of the app goes by that balances by itself, and unlike
// the service's virtual address it needs no IPVS, which not every kernel has. The
// name is looked up for each request, each has a connection of its own, and none is
// tried twice; so a task that is named before it serves, or is stopped while it is
// named, shows at once. Where the kernel can balance, a second client asks the virtual
// address.
func TestNoRequestFails(t *testing.T) {
	t.Parallel()
	s := useStage(t)
	a := newApp(t, s, "web", askedName, &references{specs: map[string]map[string]string{}})
	ctx := t.Context()
	a.deploysWith(t, asked[0], 0)
	targets := []string{"tasks.app"}
	if s.engine.Balances() {
		targets = append(targets, "app")
	}
	t.Logf("asking %q", targets)
	var clients []string
	for _, target := range targets {
		clients = append(clients, a.startClient(t, target))
	}
	a.deploysWith(t, asked[1], 0)
	a.deploysWith(t, asked[2], 5)
	a.deploysWith(t, asked[3], 5)
	for i, id := range clients {
		counted := a.stopClient(ctx, t, id)
		t.Logf("%s was asked %d times: %v", targets[i], counted.Requests, counted.Answers)
		for _, failure := range counted.Failures {
			t.Errorf("%s: %s", targets[i], failure)
		}
		for _, v := range []int{0, 1, 3} {
			if answer := "version " + asked[v].services["app"].tag + "\n"; counted.Answers[answer] == 0 {
				t.Errorf("%s: %d requests, and no answer was %q: %v", targets[i], counted.Requests, answer, counted.Answers)
			}
		}
	}
}

// deploysWith deploys a version and checks the exit code.
func (a *app) deploysWith(t *testing.T, v version, code int) {
	t.Helper()
	p, err := a.deploy(t.Context(), invocation{}, v)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.wait()
	if err != nil || e.code != code {
		t.Fatalf("%v, expected exit code %d; %s", err, code, e)
	}
	t.Logf("%s %s: exit code %d %s", time.Now().Format(time.TimeOnly), v.name, e.code, e.outcome.Reason)
}

// startClient runs the client on the stack's network until stopClient.
func (a *app) startClient(t *testing.T, target string) (id string) {
	t.Helper()
	i := a.images[a.recipe+":1.0.0"]
	created, err := a.api.ContainerCreate(t.Context(), &container.Config{
		Image: i.config, Cmd: []string{"client"}, Env: []string{"TARGET=" + target},
	}, &container.HostConfig{NetworkMode: container.NetworkMode(a.stack + "_internal")}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := a.api.ContainerRemove(ctx, created.ID, container.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	if err := a.api.ContainerStart(t.Context(), created.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if strings.Contains(a.said(ctx, t, created.ID), "ready") {
			return created.ID
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			t.Fatalf("the client gets no answer: %s", a.said(t.Context(), t, created.ID))
		}
	}
}

func (a *app) said(ctx context.Context, t *testing.T, id string) string {
	t.Helper()
	stream, err := a.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, stream); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// counted is what the client prints at its end.
type counted struct {
	Requests int            `json:"requests"`
	Answers  map[string]int `json:"answers"`
	Failures []string       `json:"failures"`
}

func (a *app) stopClient(ctx context.Context, t *testing.T, id string) (c counted) {
	t.Helper()
	if err := a.api.ContainerStop(ctx, id, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(a.said(ctx, t, id)))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &c); err == nil {
			return c
		}
	}
	t.Fatal(fmt.Errorf("the client printed no count"))
	return c
}
