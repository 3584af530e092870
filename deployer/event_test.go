package deployer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
)

func TestHealthText(t *testing.T) {
	failed := []*container.HealthcheckResult{{ExitCode: 1, Output: "first\n"}, {ExitCode: 1, Output: "not\n well\n"}}
	for want, h := range map[string]*container.Health{
		"":                    nil,
		"healthy":             {Status: container.Healthy, Log: failed},
		"starting":            {Status: container.Starting},
		"starting: not well":  {Status: container.Starting, Log: failed},
		"unhealthy: not well": {Status: container.Unhealthy, Log: failed},
	} {
		if got := healthText(h); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := healthText(&container.Health{Status: container.NoHealthcheck}); got != "" {
		t.Errorf("no health check: %q", got)
	}
}

func TestEventOfProgress(t *testing.T) {
	bad := taskIn("f", 1, failed, 1, taskErr("task: non-zero exit (1)"))
	for want, p := range map[string]Progress{
		"":                          {Phase: Settled, Failed: &bad, Waiting: "x"},
		"pulling on node-a, node-b": {Phase: Pulling, Nodes: []string{"node-a", "node-b"}},
		"no suitable node (1 node)": {Phase: Starting, Waiting: "no suitable\nnode (1 node)"},
		"its task failed 3 times":   {Phase: Failing, Reason: "its task failed 3 times", Failed: &bad},
		"its last task failed with: task: non-zero exit (1)": {Phase: Starting, Failed: &bad},
	} {
		if got := p.event("").Message; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	text, err := json.Marshal(Progress{Phase: Starting, Slots: 1, Image: "app:1"}.event("starting"))
	if want := `{"stage":"","service":"","image":"app:1","phase":"starting","running":0,"slots":1,"health":"starting","nodes":[],"message":"","elapsed_ns":0}`; err != nil || string(text) != want {
		t.Errorf("%s (%v), want %s", text, err, want)
	}
}

// TestViewerShowsWhatChanged, and the worst of several tasks' health.
func TestViewerShowsWhatChanged(t *testing.T) {
	var got []Event
	w := &watch{engine: &Engine{NodeID: "here"}, stage: "watch", report: func(e Event) { got = append(got, e) }}
	v := newViewer(w)
	a, b := taskIn("a", 1, running, 1), taskIn("b", 2, swarm.TaskStateStarting, 1)
	v.health = map[string]string{"a": "healthy", "b": "starting: not yet"}
	v.read = time.Now()
	p := Progress{Phase: Starting, Slots: 2, Running: 1, Live: []*swarm.Task{&a, &b}}
	v.show(t.Context(), map[string]Progress{"web_app": p}, time.Second)
	v.show(t.Context(), map[string]Progress{"web_app": p}, 2*time.Second)
	if len(got) != 1 || got[0].Health != "starting: not yet" || got[0].Service != "web_app" || got[0].Elapsed != time.Second {
		t.Errorf("%+v, want one event", got)
	}
	p.Running, p.Phase = 2, Settled
	v.show(t.Context(), map[string]Progress{"web_app": p}, 3*time.Second)
	if len(got) != 2 {
		t.Errorf("%d events, want another", len(got))
	}
}

// TestEventsTellHealthAndPulling asks a real engine: the pull, the node's name,
// the output of a health check that fails at first, and that nothing is shown
// twice.
func TestEventsTellHealthAndPulling(t *testing.T) {
	r := newRig(t, "events")
	image := r.pushed("events")
	release := r.lab.hold(t, "/v2/app/manifests/"+image.Digest) // until the pull was seen
	// No start_period: from API 1.44 on checks are further apart in it.
	late := compose("events", "MODE: serve", "MODE: serve\n      DELAY: 4s", "retries: 1}", "retries: 60}")
	var healths, pulling []string
	var last Event
	o := r.deploy(r.desired("1.0.0+1", late), func(o *DeployOptions) {
		o.Report = func(e Event) {
			r.see(e)
			if e.Phase == Pulling {
				pulling = e.Nodes
				release()
			}
			if e.Service != "" && e.Stage == "watch" {
				e.Elapsed = 0
				if sameEvent(e, last) {
					t.Errorf("shown twice: %+v", e)
				}
				last = e
				healths = append(healths, e.Health)
			}
		}
	})
	r.ends(o, Converged, StateNew)
	node, _, err := r.api.NodeInspectWithRaw(t.Context(), r.NodeID)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(pulling, []string{node.Description.Hostname}) {
		t.Errorf("pulling on %q, want %q", pulling, node.Description.Hostname)
	}
	if !slices.Contains(healths, "starting: the app is not well") || last.Health != "healthy" || !strings.Contains(last.Image, "/app:events@"+image.Digest) {
		t.Errorf("health went through %q, last event %+v", healths, last)
	}
}
