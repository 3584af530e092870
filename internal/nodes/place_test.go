package nodes

import (
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
)

// placed is a stack of which every node has something: five tasks of a global service,
// three on managers, one on one worker.
func placed() string {
	return service("everywhere", "0s", "mode: global") +
		service("managers", "0s", "replicas: 3\n      placement: {constraints: [node.role == manager], max_replicas_per_node: 1}") +
		service("pinned", "0s", "placement: {constraints: [node.hostname == worker2]}")
}

func TestPlacement(t *testing.T) {
	r := newRig(t, "placed")
	c := r.cluster
	home := c.Node("manager2")
	alone := r.connect(home.Host())
	o := r.converges(alone, r.desired("1", placed()))
	if o.Observed != 2 || o.Requested != 7 {
		t.Errorf("by one node %d containers observed and %d requested, want 2 and 7", o.Observed, o.Requested)
	}
	r.runsOn("everywhere", map[string]int{"manager1": 1, "manager2": 1, "manager3": 1, "worker1": 1, "worker2": 1})
	r.runsOn("managers", map[string]int{"manager1": 1, "manager2": 1, "manager3": 1})
	r.runsOn("pinned", map[string]int{"worker2": 1})
	for _, n := range c.Nodes() {
		r.pulledByDigest(n)
	}

	t.Run("every node is looked at", func(t *testing.T) { r.everyNodeIsLookedAt(t, home) })
	t.Run("nodes out of reach", func(t *testing.T) { r.nodesOutOfReach(t, home) })
	t.Run("an image that nobody vouches for", func(t *testing.T) { r.strangeImages(t, home) })
	t.Run("no credentials", func(t *testing.T) { r.noCredentials(t, home) })
}

// pulledByDigest wants the image on a node under its digest, and no login there.
func (r *rig) pulledByDigest(n *engine.Node) {
	r.t.Helper()
	want := strings.TrimSuffix(r.images[0].Reference, ":1") + "@" + r.images[0].Digest
	image, err := r.swarmOf(n).ImageInspect(r.t.Context(), want)
	if err != nil || !slices.Contains(image.RepoDigests, want) {
		r.t.Errorf("node %s has %q (%v), want %s", n.Name, image.RepoDigests, err, want)
	}
}

func (r *rig) everyNodeIsLookedAt(t *testing.T, home *engine.Node) {
	defer r.within(t)()
	observed, err := r.connect(home.Host(), r.others(home)...).Observe(t.Context(), r.desired("1", placed()))
	if err != nil {
		t.Fatal(err)
	}
	var looked []string
	for _, n := range observed.Looked {
		looked = append(looked, n.Name)
	}
	if observed.Containers != 9 || observed.Requested != 0 || len(observed.Problems)+len(observed.NotReached) > 0 ||
		!slices.Equal(looked, []string{"manager1", "manager2", "manager3", "worker1", "worker2"}) {
		t.Errorf("%+v", observed)
	}
}

// nodesOutOfReach names one good node, one that is not there and one of another swarm.
func (r *rig) nodesOutOfReach(t *testing.T, home *engine.Node) {
	defer r.within(t)()
	foreign := engine.StartT(t, engine.Options{Swarm: true})
	nowhere := "unix://" + t.TempDir() + "/none"
	e := r.connect(home.Host(), r.cluster.Node("worker2").Host(), nowhere, foreign.Host())
	observed, err := e.Observe(t.Context(), r.desired("1", placed()))
	if err != nil {
		t.Fatal(err)
	}
	if observed.Containers != 4 || observed.Requested != 5 || len(observed.Problems) > 0 || len(observed.Looked) != 2 {
		t.Errorf("%+v", observed)
	}
	reasons := map[string]string{}
	for _, n := range observed.NotReached {
		reasons[n.Name] = n.Reason
	}
	if len(reasons) != 5 || reasons[nowhere] != "connection failed" || !strings.HasPrefix(reasons[foreign.Host()], "refused: it is no node of the swarm") || reasons["worker1"] == "" {
		t.Errorf("not reached: %q", reasons)
	}
}

// strangeImages holds what runs against an entry whose images are others.
func (r *rig) strangeImages(t *testing.T, home *engine.Node) {
	defer r.within(t)()
	d := r.desired("1", placed())
	for name, image := range d.Images {
		image.Platforms = r.images[1].Platforms
		d.Images[name] = image
	}
	observed, err := r.connect(home.Host(), r.others(home)...).Observe(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(observed.Problems, "\n")
	for _, n := range r.cluster.Nodes() {
		if !strings.Contains(text, "on node "+n.Name) {
			t.Errorf("nothing is said of node %s:\n%s", n.Name, text)
		}
	}
	if len(observed.Problems) != 9 {
		t.Errorf("%d problems, want one for each container:\n%s", len(observed.Problems), text)
	}
}

// noCredentials adds a service of an image that no node has, without a login to pull it
// with. One that stands would not do: swarm goes on with the login that it had.
func (r *rig) noCredentials(t *testing.T, home *engine.Node) {
	defer r.within(t)()
	before := r.image("everywhere")
	newcomer := strings.ReplaceAll(service("newcomer", "0s", "replicas: 1"), "APP", r.registry.Addr+"/app:"+private)
	d := r.desired("1", placed()+newcomer)
	o, err := r.deploy(t.Context(), r.connect(home.Host()), d, func(o *deployer.DeployOptions) { o.Credentials = nil })
	r.ends(o, err, deployer.Failed, deployer.StatePrevious)
	if !strings.Contains(o.Reason, "newcomer") || !strings.Contains(o.Reason, "No such image") {
		t.Errorf("the reason is %q", o.Reason)
	}
	if after := r.image("everywhere"); after != before {
		t.Errorf("the stack has the image %s, want %s", after, before)
	}
	r.isDone(2, deployer.Failed)
}
