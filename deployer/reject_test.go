package deployer

import (
	"net/http"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
)

// The cases of images: what the entry says, and what a registry makes of it.

// pushed gives the rig an image of its own in the registry, which the entry
// vouches for.
func (r *rig) pushed(tag string) catalogue.Image {
	r.t.Helper()
	image, err := r.lab.push("app", tag, tag)
	if err != nil {
		r.t.Fatal(err)
	}
	r.images = append(append([]catalogue.Image{}, r.images...), image)
	return image
}

func TestTagThatMoved(t *testing.T) {
	r := newRig(t, "moved")
	published := r.pushed("moved")
	moved, err := r.lab.push("app", "moved", "another")
	if err != nil {
		t.Fatal(err)
	}
	if moved.Digest == published.Digest {
		t.Fatal("the tag did not move")
	}
	d := r.desired("1.0.0+1", compose("moved"))
	r.converges(d)
	spec, _, _ := r.service("app")
	if image := spec.TaskTemplate.ContainerSpec.Image; !strings.HasSuffix(image, "/app:moved@"+published.Digest) {
		t.Errorf("the service's image is %q, want the published digest %s", image, published.Digest)
	}
	if id := r.imageID(); id != published.Platforms[0].Config {
		t.Errorf("the container's image is %s, want the published %s", id, published.Platforms[0].Config)
	}
}

// imageID is the image of the container that runs.
func (r *rig) imageID() string {
	r.t.Helper()
	task, err := r.api.TaskList(r.t.Context(), taskListOf(r.stack+"_app"))
	if err != nil || len(task) == 0 {
		r.t.Fatalf("%d tasks (%v)", len(task), err)
	}
	container, err := r.api.ContainerInspect(r.t.Context(), task[0].Status.ContainerStatus.ContainerID)
	if err != nil {
		r.t.Fatal(err)
	}
	return container.Image
}

func taskListOf(service string) swarm.TaskListOptions {
	args := newFilter("service", []string{service})
	args.Add("desired-state", "running")
	return swarm.TaskListOptions{Filters: args}
}

func TestRegistryThatServesOtherBytes(t *testing.T) {
	r := newRig(t, "liar")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.standing()
	image := r.pushed("liar")
	other, err := http.Get("http://" + r.lab.registry.Addr + "/v2/app/manifests/2")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Body.Close()
	body := make([]byte, 64<<10)
	n, _ := other.Body.Read(body)
	r.lab.spoiled.Store("/v2/app/manifests/"+image.Digest, body[:n])
	o := r.deploy(r.desired("2.0.0+2", compose("liar")))
	r.ends(o, Failed, StatePrevious)
	r.isBack(before)
	r.serves()
}

func TestImageTheEntryDoesNotVouchFor(t *testing.T) {
	r := newRig(t, "unvouched")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.standing()
	image := r.pushed("unvouched")
	image.Platforms = append([]catalogue.Platform{}, image.Platforms...)
	image.Platforms[0].Config = "sha256:" + strings.Repeat("1", 64)
	image.Platforms[0].Manifest = image.Platforms[0].Config
	r.images[len(r.images)-1] = image
	o := r.deploy(r.desired("2.0.0+2", compose("unvouched")))
	r.ends(o, Unverified, StatePrevious)
	if !strings.Contains(o.Reason, "which the entry does not vouch for") {
		t.Errorf("reason %q", o.Reason)
	}
	r.isBack(before)
}
