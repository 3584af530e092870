package deployer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/localregistry"
)

// A deploying process of its own, to be killed: the test binary runs
// TestChildDeploys alone, against the engine and the registry of its parent.
const (
	childHost     = "GALLEY_TEST_CHILD_HOST"
	childRegistry = "GALLEY_TEST_CHILD_REGISTRY"
	childDomain   = "GALLEY_TEST_CHILD_DOMAIN"
	childTask     = "GALLEY_TEST_CHILD_TASK"
	childMarker   = "GALLEY_TEST_CHILD_MARKER"
)

// What a child does until it is killed: it watches an update that does not end,
// or hangs in the middle of a put-back, when the old specs are written and the
// old update policies are not.
const (
	childWatches  = "watch"
	childPutsBack = "put back"
)

// slowVersion is a version whose tasks take long to be healthy.
func slowVersion(version string) string {
	return compose(version, "MODE: serve", "MODE: serve\n      DELAY: 10m", "retries: 1}", "retries: 1, start_period: 10m}")
}

func TestChildDeploys(t *testing.T) {
	host := os.Getenv(childHost)
	if host == "" {
		return // it is the parent's run
	}
	l := &lab{host: host, registry: &localregistry.Registry{Addr: os.Getenv(childRegistry)}}
	for _, tag := range versions {
		image, err := l.resolve(t.Context(), "app:"+tag)
		if err != nil {
			t.Fatal(err)
		}
		l.images = append(l.images, image)
	}
	e, err := open(t.Context(), "test", host, []client.Opt{client.WithHost(host)})
	if err != nil {
		t.Fatal(err)
	}
	domain := os.Getenv(childDomain)
	r := &rig{Engine: e, t: t, lab: l, domain: domain, stack: StackName(domain), images: l.images}
	if os.Getenv(childTask) == heldChild {
		r.childHolds()
		return
	}
	if os.Getenv(childTask) == childPutsBack {
		sick := withNetwork(twoServices(compose("2", "MODE: serve", "MODE: exit1"), "serve"))
		o := r.deploy(r.desired("2.0.0+2", sick, "CONF_VERSION", "v2"), r.once(childPutsBack, func() {
			_ = os.WriteFile(os.Getenv(childMarker), nil, 0o600)
			<-t.Context().Done()
		}))
		t.Fatalf("nobody killed it: %+v", o)
	}
	o := r.deploy(r.desired("2.0.0+2", slowVersion("2"), "CONF_VERSION", "v2"), func(o *DeployOptions) { o.Limits.Converge = time.Hour })
	t.Fatalf("nobody killed it: %+v", o)
}

// killDeploying lets a child deploy until the service is being updated, and
// kills it.
func (r *rig) killDeploying() {
	r.t.Helper()
	r.killChild(childWatches, "the child's update", func(string) bool {
		spec, _, _ := r.service("app")
		return strings.Contains(spec.TaskTemplate.ContainerSpec.Image, "/app:2@")
	})
}

// killChild lets a child do its task until is says so, and kills it. The child
// may write the marker file that is gets.
func (r *rig) killChild(task, what string, is func(marker string) bool) {
	r.t.Helper()
	marker := filepath.Join(r.t.TempDir(), "marker")
	binary, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	child := exec.Command(binary, "-test.run=^TestChildDeploys$", "-test.timeout=5m")
	// A child that is killed removes no temporary folder: they are in one of ours.
	child.Env = append(os.Environ(), "TMPDIR="+r.t.TempDir(), childHost+"="+r.lab.host, childRegistry+"="+r.lab.registry.Addr, childDomain+"="+r.domain, childTask+"="+task, childMarker+"="+marker)
	var said strings.Builder
	child.Stdout, child.Stderr = &said, &said
	if err := child.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = child.Wait(); close(ended) }()
	r.eventually(what, func() bool {
		select {
		case <-ended:
			r.t.Fatalf("the child ended by itself: %s", said.String())
		default:
		}
		return is(marker)
	})
	if err := child.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	<-ended
}

// eventually waits for a condition.
func (r *rig) eventually(what string, is func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			r.t.Fatalf("waiting for %s took three minutes", what)
		}
		if pause(r.t.Context(), 50*time.Millisecond) != nil {
			r.t.Fatalf("waiting for %s: the test ended", what)
		}
	}
}

// TestKilledDeployIsContinuedByTheNext; that one which fails puts it back is a
// case of TestVerdicts.
func TestKilledDeployIsContinuedByTheNext(t *testing.T) {
	r := newRig(t, "killed")
	r.converges(r.desired("1.0.0+1", compose("1")))
	r.killDeploying()
	r.staleAfter = time.Second
	o := r.deployStale(r.desired("2.0.0+2", compose("2"), "CONF_VERSION", "v2"))
	r.ends(o, Converged, StateNew)
	r.noRecords(recordLock, recordJournal)
	r.serves()
}

// deployStale deploys as soon as the lock that stands is stale.
func (r *rig) deployStale(d *Desired) (o Outcome) {
	r.t.Helper()
	r.eventually("the deploy", func() bool {
		var err error
		o, err = r.Deploy(r.t.Context(), d, nil, DeployOptions{Limits: Limits{Converge: time.Minute}, Report: r.see})
		if err != nil && !strings.Contains(err.Error(), "is locked by") {
			r.t.Fatal(err)
		}
		return err == nil
	})
	return o
}

// A deploy that was killed after it had told its end leaves a journal of what stood
// before it. What fails next is put back to where that deploy had come.
func TestJournalOfADeployThatEnded(t *testing.T) {
	r := newRig(t, "told")
	r.converges(r.desired("1.0.0+1", compose("1")))
	var journal []byte
	o := r.deploy(r.desired("2.0.0+2", compose("2")), func(o *DeployOptions) {
		o.Report = func(e Event) {
			r.see(e)
			if records, err := r.records(t.Context(), recordJournal, r.stack); err == nil && len(records) == 1 {
				journal = records[0].Spec.Data
			}
		}
	})
	r.ends(o, Converged, StateNew)
	before := r.standing()
	if _, err := r.createRecord(t.Context(), recordJournal, r.stack, "", journal, nil); err != nil {
		t.Fatal(err)
	}
	r.ends(r.deploy(r.desired("3.0.0+3", compose("3", "MODE: serve", "MODE: exit1"))), Failed, StatePrevious)
	r.isBack(before)
}
