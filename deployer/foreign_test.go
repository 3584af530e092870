package deployer

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
)

// service is a stored service of the stack.
func (r *rig) service(key string) (swarm.ServiceSpec, string, swarm.Version) {
	r.t.Helper()
	s, err := r.inspect(r.t.Context(), r.stack+"_"+key)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Spec, s.ID, s.Version
}

// change is someone else who changes a service by hand.
func (r *rig) change(id string, version swarm.Version, spec swarm.ServiceSpec) {
	r.t.Helper()
	if _, err := r.api.ServiceUpdate(r.t.Context(), id, version, spec, swarm.ServiceUpdateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func TestServiceThatMovesMeanwhile(t *testing.T) {
	r := newRig(t, "race")
	d := r.desired("1.0.0+1", compose("1"))
	r.converges(d)
	current, err := r.Current(t.Context(), r.stack, d.Stack)
	if err != nil {
		t.Fatal(err)
	}
	known := current.Services[r.stack+"_app"]
	w := newWriter(r.Engine, current, nil, nil)
	next := nextSpec(d.Stack.Services[r.stack+"_app"].Spec, known.Spec, current.Names(), current.API)
	next.Labels["mine"] = "yes"

	t.Log("the version moved, the spec did not")
	r.change(known.ID, known.Version, known.Spec)
	if err := w.updateService(t.Context(), known, next); err != nil {
		t.Fatalf("the write was not tried again: %v", err)
	}
	if spec, _, _ := r.service("app"); spec.Labels["mine"] != "yes" {
		t.Error("nothing was written")
	}

	t.Log("someone scaled it")
	spec, id, version := r.service("app")
	known.Spec, known.Version = copySpec(spec), version
	spec.Mode.Replicated.Replicas = ptr(uint64(2))
	r.change(id, version, spec)
	err = w.updateService(t.Context(), known, next)
	if err == nil || !strings.Contains(err.Error(), "was changed by someone else meanwhile") {
		t.Errorf("%v, want a refusal", err)
	}
	if now, _, _ := r.service("app"); *now.Mode.Replicated.Replicas != 2 {
		t.Error("the other's change was overwritten")
	}
}

func TestForeignChangeDuringADeployStays(t *testing.T) {
	r := newRig(t, "foreign")
	r.converges(r.desired("1.0.0+1", compose("1")))
	scaled := false
	scale := func(string) (string, error) {
		if !scaled {
			scaled = true
			spec, id, version := r.service("app")
			spec.Mode.Replicated.Replicas = ptr(uint64(2))
			r.change(id, version, spec)
		}
		return "", nil
	}
	o := r.deploy(r.desired("2.0.0+2", compose("2"), "CONF_VERSION", "v2"), func(o *DeployOptions) { o.Credentials = scale })
	r.ends(o, Failed, StatePrevious)
	if !strings.Contains(o.Reason, "was changed by someone else meanwhile") {
		t.Errorf("reason %q", o.Reason)
	}
	spec, _, _ := r.service("app")
	if *spec.Mode.Replicated.Replicas != 2 || !strings.Contains(spec.TaskTemplate.ContainerSpec.Image, "/app:1@") {
		t.Errorf("image %s with %d replicas", spec.TaskTemplate.ContainerSpec.Image, *spec.Mode.Replicated.Replicas)
	}
	if text := r.standing(); strings.Contains(text, "conf_v2") {
		t.Error("the config of the failed deploy is left")
	}
	r.noRecords(recordLock, recordJournal)
}

func TestPlanThatIsOutOfDateIsRefused(t *testing.T) {
	r := newRig(t, "outdated")
	d := r.desired("1.0.0+1", compose("1"))
	shown, err := NewPlan(d, Fresh(d.Stack))
	if err != nil {
		t.Fatal(err)
	}
	r.converges(d)
	before := r.inventory(t.Context())
	if _, err = r.Deploy(t.Context(), d, shown, DeployOptions{}); err == nil || !strings.Contains(err.Error(), "changed since the plan was made") {
		t.Errorf("%v, want a refusal", err)
	}
	if after := r.inventory(t.Context()); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("before %q, after %q", before, after)
	}
}

func TestAppThatWasIllIsPutBackWithoutWaiting(t *testing.T) {
	r := newRig(t, "ill")
	r.converges(r.desired("1.0.0+1", compose("1")))
	spec, id, version := r.service("app")
	for i, variable := range spec.TaskTemplate.ContainerSpec.Env {
		if variable == "MODE=serve" {
			spec.TaskTemplate.ContainerSpec.Env[i] = "MODE=sick"
		}
	}
	r.change(id, version, spec)
	r.eventually("the illness", func() bool {
		unwell, err := r.unwell(t.Context(), r.stack)
		now, _, _ := r.service("app")
		return err == nil && len(unwell) == 1 && sameSpec(now, spec)
	})
	before := r.standing()
	o := r.deploy(r.desired("2.0.0+2", compose("2", "MODE: serve", "MODE: exit1")))
	r.ends(o, Failed, StatePrevious)
	r.isBack(before)
	r.converges(r.desired("1.0.0+1", compose("1")))
}

func TestRollbackByHandDuringPutBack(t *testing.T) {
	r := newRig(t, "handback")
	r.converges(r.desired("1", compose("1")))
	acted := false
	outcome := r.deploy(r.desired("2", compose("2", "MODE: serve", "MODE: exit1")), func(o *DeployOptions) {
		o.Report = func(e Event) {
			r.see(e)
			if acted || e.Stage != "put back" || e.Service == "" {
				return
			}
			acted = true
			spec, id, version := r.service("app")
			if _, err := r.api.ServiceUpdate(t.Context(), id, version, spec, swarm.ServiceUpdateOptions{Rollback: "previous"}); err != nil {
				t.Error(err)
			}
		}
	})
	r.ends(outcome, Failed, StatePrevious)
	if !acted {
		t.Error("nobody rolled anything back")
	}
}
