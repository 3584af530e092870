package deployer

import (
	"testing"

	"github.com/docker/docker/api/types/swarm"
)

// TestUndeployOfAJobThatNoNodeTakes ends, although Engine 20.10 keeps the job's task
// for ever.
func TestUndeployOfAJobThatNoNodeTakes(t *testing.T) {
	r := newRig(t, "stranded")
	d := r.desired("1.0.0+1", `
services:
  job:
    image: APP:1
    networks: [internal]
    deploy: {mode: replicated-job, placement: {constraints: [node.labels.none == such]}, restart_policy: {condition: none}}
networks:
  internal: {}
`)
	current, err := r.Current(t.Context(), r.stack, d.Stack)
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(r.Engine, current, nil, nil)
	if err := w.createNetwork(t.Context(), d.Stack.Networks[r.stack+"_internal"]); err != nil {
		t.Fatal(err)
	}
	id, err := w.createService(t.Context(), d.Stack.Services[r.stack+"_job"].Spec)
	if err != nil {
		t.Fatal(err)
	}
	r.eventually("a pending task", func() bool {
		tasks, err := r.api.TaskList(t.Context(), swarm.TaskListOptions{Filters: newFilter("service", []string{id})})
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks) == 1 && tasks[0].Status.State == swarm.TaskStatePending
	})
	if _, err := r.Undeploy(t.Context(), r.stack, nil); err != nil {
		t.Error(err)
	}
}
