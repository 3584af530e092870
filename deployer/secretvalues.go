package deployer

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// secretsWithin bounds the reading of secrets: a task must come up and be asked.
const secretsWithin = 90 * time.Second

// SecretValues reads secrets' values, by name on the swarm. Swarm shows them to tasks
// alone: so a task of galley's own is given them, on a node that can be reached, and
// asked. Nothing of them is in its spec, its log or anybody's arguments; it ends by
// itself when nobody ends it. A name that the swarm does not have is an error.
func (e *Engine) SecretValues(ctx context.Context, stack string, names []string) (map[string][]byte, error) {
	if len(names) == 0 {
		return map[string][]byte{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, secretsWithin)
	defer cancel()
	node, err := e.takingNode(ctx)
	if err != nil {
		return nil, err
	}
	carrier, err := e.Carrier(ctx, node)
	if err != nil {
		return nil, err
	}
	refs, err := e.secretReferences(ctx, names)
	if err != nil {
		return nil, err
	}
	e.sweepCarriers(ctx)
	id, err := carrier.secretTask(ctx, stack, refs)
	if err != nil {
		return nil, fmt.Errorf("reading the secrets: %w", err)
	}
	defer e.removeCarrier(ctx, id)
	task, err := e.carrierTask(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading the secrets: %w", err)
	}
	inside := &Container{Service: "galley's helper", ID: task.Status.ContainerStatus.ContainerID, Node: carrier.Node, api: carrier.api}
	var out, said bytes.Buffer
	code, err := inside.Exec(ctx, ExecOptions{Command: []string{carrierPath, "carry", "secrets", "/run/secrets"}, Stdout: &out, Stderr: &said})
	if err == nil && code != 0 {
		err = fmt.Errorf("the helper ended with %d: %s", code, clip(oneLine(said.String()), 300))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the secrets: %w", err)
	}
	return secretsFrom(out.Bytes(), names)
}

// takingNode is a node that can be reached and takes tasks: the connected one, if that
// does. Managers are often drained.
func (e *Engine) takingNode(ctx context.Context) (string, error) {
	nodes, err := e.survey(ctx)
	if err != nil {
		return "", err
	}
	takes := func(id string) bool {
		n := nodes[id]
		return e.at(id) != nil && n.Spec.Availability == swarm.NodeAvailabilityActive && n.Status.State == swarm.NodeStateReady
	}
	if takes(e.NodeID) {
		return e.NodeID, nil
	}
	for _, id := range sortedKeys(nodes) {
		if takes(id) {
			return id, nil
		}
	}
	err = fault.New(fault.Unavailable, "no node of server %q that can be reached takes tasks, which alone are shown secrets", e.Server)
	return "", fault.Hint(err, "name a way to one in servers/%s/nodes; docker node ls tells which are drained or down", e.Server)
}

// secretsFrom reads the helper's answer: base64 by file name, which is the place in names.
func secretsFrom(answer []byte, names []string) (map[string][]byte, error) {
	var files map[string]string
	if err := json.Unmarshal(answer, &files); err != nil {
		return nil, fmt.Errorf("reading the secrets: the helper's answer has %d bytes and is no JSON", len(answer))
	}
	values := map[string][]byte{}
	for i, name := range names {
		value, err := base64.StdEncoding.DecodeString(files[strconv.Itoa(i)])
		if err != nil || len(value) == 0 { // swarm keeps no empty secret
			return nil, fmt.Errorf("reading the secrets: nothing came of %q", name)
		}
		values[name] = value
	}
	return values, nil
}

// secretReferences mounts secrets as files that are named by their place in the list.
func (e *Engine) secretReferences(ctx context.Context, names []string) ([]*swarm.SecretReference, error) {
	var refs []*swarm.SecretReference
	for i, name := range names {
		id, err := e.secretID(ctx, name)
		if err == nil && id == "" {
			err = fault.New(fault.Unavailable, "there is no secret %q on server %q", name, e.Server)
		}
		if err != nil {
			return nil, err
		}
		refs = append(refs, &swarm.SecretReference{
			SecretID: id, SecretName: name, File: &swarm.SecretReferenceFileTarget{Name: strconv.Itoa(i), UID: "0", GID: "0", Mode: 0o400},
		})
	}
	return refs, nil
}

// secretTask makes a service of one task, which waits to be asked.
func (c *Carrier) secretTask(ctx context.Context, stack string, secrets []*swarm.SecretReference) (id string, err error) {
	once, replicas := uint64(0), uint64(1)
	suffix := make([]byte, 6)
	if _, err := rand.Read(suffix); err != nil {
		return "", err
	}
	created, err := c.engine.api.ServiceCreate(ctx, swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "galley_secrets_" + hex.EncodeToString(suffix), Labels: carrierLabels(stack)},
		Mode:        swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image: c.image, Args: []string{"wait"}, User: "0:0", ReadOnly: true, Secrets: secrets, CapabilityDrop: []string{"ALL"},
				Labels: carrierLabels(stack), Mounts: []mount.Mount{},
			},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone, MaxAttempts: &once},
			Placement:     &swarm.Placement{Constraints: []string{"node.id==" + c.NodeID}},
			LogDriver:     &swarm.Driver{Name: "none"},
		},
	}, swarm.ServiceCreateOptions{})
	return created.ID, err
}

// carrierTask waits until the one task of a helper's service runs.
func (e *Engine) carrierTask(ctx context.Context, service string) (swarm.Task, error) {
	for {
		tasks, err := e.api.TaskList(ctx, swarm.TaskListOptions{Filters: newFilter("service", []string{service})})
		if err != nil {
			return swarm.Task{}, err
		}
		for _, t := range tasks {
			switch {
			case t.Status.State == swarm.TaskStateRunning && hasContainer(&t):
				return t, nil
			case hasEnded(&t):
				return t, fmt.Errorf("the helper's task is %s: %s", t.Status.State, oneLine(t.Status.Err))
			}
		}
		if err := pause(ctx, lookAgain/4); err != nil {
			return swarm.Task{}, fmt.Errorf("the helper's task did not come up: %w", err)
		}
	}
}

// removeCarrier removes a helper's service, whatever ctx says. One that stays is
// removed by the next sweep, and its task ends by itself.
func (e *Engine) removeCarrier(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	_ = e.api.ServiceRemove(ctx, id)
}
