package deployer

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
)

// scene is one case on an engine, with one client that deploys.
type scene struct {
	*rig
	c verdictCase
	// replace are pairs for the compose texts, which world sets.
	replace []string
	// interrupt and kill end the deploying client as a signal does.
	interrupt, kill func()
	ended           chan struct{} // closed when the client's deploy has ended
}

// disturbance is held by the one case that disturbs the second engine.
var disturbance sync.Mutex

// newScene makes a case's stack; suffix tells the clients' stacks apart.
func newScene(t *testing.T, c verdictCase, suffix string) *scene {
	t.Helper()
	name := c.slug() + suffix
	s := &scene{c: c, ended: make(chan struct{})}
	if c.alone {
		disturbance.Lock()
		t.Cleanup(disturbance.Unlock)
		s.rig = rigOn(t, otherLab.use(t, &disturbed), name)
	} else {
		s.rig = rigOn(t, useLab(t), name)
	}
	if c.world != nil {
		c.world(s)
	}
	return s
}

// text is one of the case's compose files, with what world replaced.
func (s *scene) text(compose string) string {
	return strings.NewReplacer(s.replace...).Replace(compose)
}

// disturb runs what others do, once the new version is written. The answer waits
// for its end.
func (s *scene) disturb(ctx context.Context) (wait func()) {
	if s.c.during == nil {
		return func() {}
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if s.poll(ctx, "the new version", func(spec swarm.ServiceSpec) bool {
			return strings.Contains(spec.TaskTemplate.ContainerSpec.Image, "/app:2@")
		}) {
			s.c.during(s)
		}
	}()
	return func() { <-over }
}

// poll waits until the app's stored spec fits.
func (s *scene) poll(ctx context.Context, what string, fits func(swarm.ServiceSpec) bool) bool {
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); {
		service, err := s.inspect(ctx, s.stack+"_app")
		if err == nil && fits(service.Spec) {
			return true
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			break
		}
	}
	s.t.Errorf("waiting for %s: it did not come", what)
	return false
}

// byHand changes the app's service as another operator does.
func (s *scene) byHand(change func(*swarm.ServiceSpec), options swarm.ServiceUpdateOptions) {
	for range outOfSequenceTries {
		service, err := s.inspect(s.t.Context(), s.stack+"_app")
		if err == nil {
			change(&service.Spec)
			_, err = s.api.ServiceUpdate(s.t.Context(), service.ID, service.Version, service.Spec, options)
		}
		if err == nil {
			return
		}
		if !isOutOfSequence(err) {
			s.t.Error(err)
			return
		}
	}
}

func (s *scene) meddle() {
	s.byHand(func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Env = append(spec.TaskTemplate.ContainerSpec.Env, "DEBUG=1")
	}, swarm.ServiceUpdateOptions{})
}

func (s *scene) rollBack() {
	s.byHand(func(*swarm.ServiceSpec) {}, swarm.ServiceUpdateOptions{Rollback: "previous"})
}

func (s *scene) remove() {
	if err := s.api.ServiceRemove(s.t.Context(), s.stack+"_app"); err != nil {
		s.t.Error(err)
	}
}

// pauseByHand leaves an update that failed.
func (s *scene) pauseByHand() {
	s.byHand(func(spec *swarm.ServiceSpec) {
		for i, variable := range spec.TaskTemplate.ContainerSpec.Env {
			if variable == "MODE=serve" {
				spec.TaskTemplate.ContainerSpec.Env[i] = "MODE=exit1"
			}
		}
	}, swarm.ServiceUpdateOptions{})
	s.eventually("the pause", func() bool {
		service, err := s.inspect(s.t.Context(), s.stack+"_app")
		return err == nil && service.UpdateStatus != nil && service.UpdateStatus.State == swarm.UpdateStatePaused
	})
}

// drain takes the node away until the deploy has ended or is being put back.
func (s *scene) drain() {
	s.setNode(swarm.NodeAvailabilityDrain)
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	go func() {
		select {
		case <-s.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		service, err := s.inspect(ctx, s.stack+"_app")
		if err == nil && strings.Contains(service.Spec.TaskTemplate.ContainerSpec.Image, "/app:1@") || ctx.Err() != nil {
			break
		}
		_ = pause(ctx, 50*time.Millisecond)
	}
	s.setNode(swarm.NodeAvailabilityActive)
}

func (s *scene) setNode(to swarm.NodeAvailability) {
	for range outOfSequenceTries {
		node, _, err := s.api.NodeInspectWithRaw(s.t.Context(), s.NodeID)
		if err == nil {
			node.Spec.Availability = to
			err = s.api.NodeUpdate(s.t.Context(), s.NodeID, node.Version, node.Spec)
		}
		if err == nil {
			return
		}
		if !isOutOfSequence(err) {
			s.t.Error(err)
			return
		}
	}
}

func (s *scene) restart() {
	if err := s.lab.node.Restart(s.t.Context()); err != nil {
		s.t.Error(err)
	}
}

// takePort makes a service of someone else that has a port.
func (s *scene) takePort(port uint32, mode swarm.PortConfigPublishMode) {
	s.t.Helper()
	name := "other-" + s.stack
	labels := map[string]string{NamespaceLabel: name}
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name, Labels: labels},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{
			Image: s.lab.registry.Addr + "/app:1@" + s.images[0].Digest, Labels: labels, StopGracePeriod: ptr(time.Second),
		}},
		EndpointSpec: &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: port, PublishMode: mode}}},
	}
	other, err := s.api.ServiceCreate(s.t.Context(), spec, swarm.ServiceCreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_, err := s.Undeploy(context.Background(), name, nil)
		if err := cmp.Or(err, s.Forget(context.Background(), name)); err != nil {
			s.t.Error(err)
		}
	})
	s.eventually("the other service", func() bool {
		tasks, err := s.api.TaskList(s.t.Context(), taskListOf(other.ID))
		return err == nil && len(tasks) == 1 && tasks[0].Status.State == swarm.TaskStateRunning
	})
}

// goneImage vouches for an image that no registry has.
func (s *scene) goneImage() {
	gone := s.images[0]
	gone.Reference = s.lab.registry.Addr + "/app:gone"
	gone.Digest = "sha256:" + strings.Repeat("0", 64)
	s.images = append(append([]catalogue.Image{}, s.images...), gone)
}

// lockedRegistry has the image in a registry that asks for a login.
func (s *scene) lockedRegistry() {
	private, image := s.privateImage("me", "hunter2")
	s.images, s.replace = []catalogue.Image{image}, []string{"APP:private", private.Addr + "/app:1"}
}

// heldImage is one whose pull begins and does not end.
func (s *scene) heldImage() {
	image := s.pushed("held")
	s.lab.hold(s.t, "/v2/app/blobs/"+image.Platforms[0].Config)
}

// killed is a deploy that comes after one that was killed, and fails.
func (s *scene) killed(*Desired) Outcome {
	s.killDeploying()
	status, err := s.Status(s.t.Context(), s.stack)
	if err != nil || !status.Unfinished || status.Healthy() {
		s.t.Errorf("the status tells nothing of the journal: %v %+v", err, status)
	}
	s.staleAfter = time.Second
	o := s.deployStale(s.desired("3.0.0+3", compose("3", "MODE: serve", "MODE: exit1", "pause", "continue"), "CONF_VERSION", "v3"))
	said := strings.Join(s.events, "\n")
	if !strings.Contains(said, "who is gone, was taken over") || !strings.Contains(said, "an earlier deploy of test to 2.0.0+2") {
		s.t.Errorf("it did not say whose lock and whose journal it found:\n%s", said)
	}
	return o
}
