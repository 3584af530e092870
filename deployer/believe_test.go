package deployer

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/swarm"
)

// slowNews is a manager that hears late of a task's end: its first answer in which a
// task runs stays its answer for a while.
type slowNews struct {
	late time.Duration

	mu    sync.Mutex
	text  []byte
	since time.Time
	stale int // how often it was given again
}

func (s *slowNews) before(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !strings.HasSuffix(q.URL.Path, "/tasks") || !strings.Contains(q.URL.RawQuery, "_up-to-date") {
			engine.ServeHTTP(w, q)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.text != nil && time.Since(s.since) < s.late {
			s.stale++
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(s.text)
			return
		}
		now := httptest.NewRecorder()
		engine.ServeHTTP(now, q)
		answer := now.Result()
		text, _ := io.ReadAll(answer.Body)
		var tasks []swarm.Task
		if s.text == nil && json.Unmarshal(text, &tasks) == nil && slices.ContainsFunc(tasks, func(t swarm.Task) bool { return isUp(&t, false) }) {
			s.text, s.since = text, time.Now()
		}
		w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, bytes.NewReader(text))
	})
}

// TestLateNewsIsNotBelieved has the swarm say for longer than the monitor time that a
// task runs whose container has ended. The node's engine itself was seen to be told of
// the end half a second late, on a busy machine: that is not what is tested.
func TestLateNewsIsNotBelieved(t *testing.T) {
	r := newRig(t, "late")
	news := &slowNews{late: 6 * time.Second}
	r.behind(news.before)
	o := r.deploy(r.desired("1.0.0+1", compose("1", "NOTE: first", "LIFE: 500ms",
		"    healthcheck: {test: [CMD, /app, health], interval: 1s, timeout: 2s, retries: 1}\n", "", "monitor: 1s, failure", "monitor: 3s, failure")))
	r.ends(o, Failed, StatePrevious)
	if !regexp.MustCompile(threeFail).MatchString(o.Reason) {
		t.Errorf("the reason is %q", o.Reason)
	}
	if news.stale == 0 {
		t.Error("the swarm's news were not late: this shows nothing")
	}
	said := "its container has ended, and swarm lists the task as running still"
	if all := strings.Join(r.events, "\n"); !strings.Contains(all, said) {
		t.Errorf("nobody was told that %s:\n%s", said, all)
	}
}

// TestStatesOf asks an engine for containers that run, ended, were removed and are ill.
func TestStatesOf(t *testing.T) {
	r := newRig(t, "states")
	of := r.lab.registry.Addr + "/app:1"
	pull, err := r.api.ImagePull(t.Context(), of, image.PullOptions{})
	if err == nil {
		_, err = io.Copy(io.Discard, pull)
	}
	if err != nil {
		t.Fatal(err)
	}
	begin := func(mode string, check *container.HealthConfig) string {
		t.Helper()
		made, err := r.api.ContainerCreate(t.Context(), &container.Config{
			Image: of, Env: []string{"MODE=" + mode}, Healthcheck: check,
			Labels: map[string]string{NamespaceLabel: r.stack},
		}, nil, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.api.ContainerStart(t.Context(), made.ID, container.StartOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.api.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true}) })
		return made.ID
	}
	runs, ends, goes := begin("serve", nil), begin("exit1", nil), begin("serve", nil)
	ill := begin("sick", &container.HealthConfig{Test: []string{"CMD", "/app", "health"}, Interval: 200 * time.Millisecond, Timeout: time.Second, Retries: 1})
	if err := r.api.ContainerRemove(t.Context(), goes, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{runs: "", ends: "has ended", goes: "has ended", ill: "is unhealthy"}
	var got map[string]string
	r.eventually("the states", func() bool {
		var err error
		if got, err = statesOf(t.Context(), r.api, []string{runs, ends, goes, ill}); err != nil {
			t.Fatal(err)
		}
		return got[ends] != "" && got[ill] != ""
	})
	for id, what := range want {
		if got[id] != what {
			t.Errorf("a container %q, want %q", got[id], what)
		}
	}
}

// TestPassEnded wants a task to count as ended with its container, where it is to end.
func TestPassEnded(t *testing.T) {
	r := newRig(t, "ended")
	r.converges(r.desired("1.0.0+1", compose("1", "condition: any", "condition: none")))
	_, id, _ := r.service("app")
	tasks, err := r.runningTasks(t.Context(), r.stack, map[string]bool{id: true})
	if err != nil || len(tasks) != 1 {
		t.Fatalf("%d tasks, %v", len(tasks), err)
	}
	left := func(desired swarm.TaskState) int {
		t.Helper()
		mine := slices.Clone(tasks)
		mine[0].DesiredState = desired
		still, err := r.passEnded(t.Context(), mine)
		if err != nil {
			t.Fatal(err)
		}
		return len(still)
	}
	if left(swarm.TaskStateShutdown) != 1 {
		t.Error("a task whose container runs was passed over")
	}
	if err := r.api.ContainerKill(t.Context(), tasks[0].Status.ContainerStatus.ContainerID, "KILL"); err != nil {
		t.Fatal(err)
	}
	r.eventually("the container's end", func() bool { return left(swarm.TaskStateShutdown) == 0 })
	if left(swarm.TaskStateRunning) != 1 {
		t.Error("a task was passed over that swarm wants to run")
	}
}

// TestGraceOf takes the longest stop grace period.
func TestGraceOf(t *testing.T) {
	minute, hour := time.Minute, time.Hour
	tasks := []swarm.Task{
		{}, {Spec: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{StopGracePeriod: &hour}}},
		{Spec: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{StopGracePeriod: &minute}}},
	}
	if got := graceOf(tasks); got != time.Hour {
		t.Errorf("%s", got)
	}
}
