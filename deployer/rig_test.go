package deployer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/engine"
)

// rig is one app of one test on the lab's engine.
type rig struct {
	*Engine
	t      *testing.T
	lab    *lab
	domain string
	stack  string
	images []catalogue.Image
	events []string
}

// newRig gives a test a stack of its own; the test runs beside others.
func newRig(t *testing.T, name string) *rig {
	t.Helper()
	t.Parallel()
	return serialRig(t, name)
}

// serialRig is a rig for a test that runs alone.
func serialRig(t *testing.T, name string) *rig {
	t.Helper()
	return rigOn(t, useLab(t), name)
}

func rigOn(t *testing.T, l *lab, name string) *rig {
	t.Helper()
	domain := name + ".example.org"
	r := &rig{Engine: l.connect(t), t: t, lab: l, domain: domain, stack: StackName(domain), images: l.images}
	t.Cleanup(r.clean)
	return r
}

// clean removes what the test made, to the last object.
func (r *rig) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r.staleAfter = time.Millisecond // a killed child's lock is not waited for
	if _, err := r.Undeploy(ctx, r.stack, nil); err != nil && !strings.Contains(err.Error(), "there is no stack") {
		r.t.Errorf("cleaning up: %v", err)
	}
	if err := r.Forget(ctx, r.stack); err != nil {
		r.t.Errorf("cleaning up: %v", err)
	}
	if left := r.inventory(ctx); len(left) > 0 {
		r.t.Errorf("the test left %q", left)
	}
}

// inventory lists what the engine has of the stack.
func (r *rig) inventory(ctx context.Context) []string {
	lines, err := engine.EngineInventory(ctx, r.lab.host)
	if err != nil {
		r.t.Error(err)
	}
	var ours []string
	named := regexp.MustCompile(`(^|[^a-z0-9])` + regexp.QuoteMeta(r.stack) + `([^a-z0-9]|$)`)
	for _, line := range lines {
		if named.MatchString(line) {
			ours = append(ours, line)
		}
	}
	return ours
}

// compose is the test recipe's compose file: one service, healthy within a
// second, one config, one network.
func compose(version string, changes ...string) string {
	text := `
services:
  app:
    image: APP:` + version + `
    environment:
      MODE: serve
      NOTE: first
    stop_grace_period: 1s
    healthcheck: {test: [CMD, /app, health], interval: 1s, timeout: 2s, retries: 1}
    networks: [internal]
    configs: [{source: conf, target: /conf}]
    volumes: ["data:/data"]
    deploy:
      replicas: 1
      labels: {kind: test}
      restart_policy: {condition: any, delay: 100ms}
      update_config: {monitor: 1s, failure_action: pause, order: stop-first}
      rollback_config: {monitor: 1s}
configs:
  conf: {file: ./conf.txt, name: "${STACK_NAME}_conf_${CONF_VERSION}"}
networks:
  internal: {}
volumes:
  data: {}
`
	for i := 0; i+1 < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			return "the compose file has no " + changes[i]
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return text
}

// desired makes the wanted stack of a version.
func (r *rig) desired(version, text string, env ...string) *Desired {
	r.t.Helper()
	vars := map[string]string{"CONF_VERSION": "v1"}
	for i := 0; i+1 < len(env); i += 2 {
		vars[env[i]] = env[i+1]
	}
	lines := "TYPE=test\nDOMAIN=" + r.domain + "\n"
	for _, key := range sortedKeys(vars) {
		lines += key + "=" + vars[key] + "\n"
	}
	text = strings.ReplaceAll(text, "APP:", r.lab.registry.Addr+"/app:")
	recipe := loadRecipe(r.t, map[string]string{"compose.yml": text, "conf.txt": "conf " + vars["CONF_VERSION"] + "\n"})
	d, err := NewDesired(r.t.Context(), Input{
		App: writeApp(r.t, r.domain, lines), Recipe: recipe, Entry: &catalogue.Entry{Version: version, Images: r.images},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// deploy deploys and returns the outcome of a deploy that was begun.
func (r *rig) deploy(d *Desired, options ...func(*DeployOptions)) Outcome {
	r.t.Helper()
	return r.deployUntil(r.t.Context(), d, options...)
}

func (r *rig) deployUntil(ctx context.Context, d *Desired, options ...func(*DeployOptions)) Outcome {
	r.t.Helper()
	o := DeployOptions{Limits: Limits{Converge: 3 * time.Minute, Pull: 3 * time.Minute}, Report: r.see}
	for _, option := range options {
		option(&o)
	}
	outcome, err := r.Deploy(ctx, d, nil, o)
	if err != nil {
		r.t.Fatalf("%v\n%s", err, strings.Join(r.events, "\n"))
	}
	if strings.Contains(outcome.Reason, "\n") {
		r.t.Errorf("the reason has several lines: %q", outcome.Reason)
	}
	return outcome
}

func (r *rig) see(e Event) {
	r.events = append(r.events, fmt.Sprintf("%5.1f %s %s %s %d/%d %s", e.Elapsed.Seconds(), e.Stage, e.Service, e.Phase, e.Running, e.Slots, e.Message))
}

// ends checks a deploy's verdict and what the stack is after it.
func (r *rig) ends(o Outcome, verdict Verdict, state StateAfter) {
	r.t.Helper()
	if o.Verdict != verdict || o.State != state {
		r.t.Fatalf("%s, state %s (%s); want %s, state %s\n%s\n%s", o.Verdict, o.State, o.Reason, verdict, state, strings.Join(r.events, "\n"), r.lives())
	}
	if document, err := json.Marshal(o); err != nil || bytes.Contains(document, []byte("null")) {
		r.t.Errorf("the outcome is %s (%v); expected no null in it", document, err)
	}
}

// lives tells when the stack's containers began and ended, by their node's engine, and
// what swarm says of their tasks.
func (r *rig) lives() string {
	text := "now " + time.Now().UTC().Format(time.RFC3339Nano)
	tasks, err := r.api.TaskList(r.t.Context(), swarm.TaskListOptions{Filters: byStack(r.stack)})
	if err != nil {
		return err.Error()
	}
	for _, task := range tasks {
		text += fmt.Sprintf("\ntask %s %s, to be %s, since %s, %s", task.ID, task.Status.State, task.DesiredState, changedAt(&task).Format(time.RFC3339Nano), task.Status.Err)
		if c := task.Status.ContainerStatus; c != nil && c.ContainerID != "" {
			if inspected, err := r.api.ContainerInspect(r.t.Context(), c.ContainerID); err == nil {
				text += fmt.Sprintf("; container %s from %s to %s", inspected.State.Status, inspected.State.StartedAt, inspected.State.FinishedAt)
			}
		}
	}
	return text
}

// converges deploys what must converge.
func (r *rig) converges(d *Desired) Outcome {
	r.t.Helper()
	o := r.deploy(d)
	r.ends(o, Converged, StateNew)
	return o
}
