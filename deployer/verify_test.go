package deployer

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
)

// verifies looks at the stack and wants these problems, each told by a part of it.
func (r *rig) verifies(p Published, problems ...string) Verification {
	r.t.Helper()
	app := App{Domain: r.domain, Server: "test", Stack: r.stack, Recipe: "test", Version: p.Desired.Version}
	v := r.Verify(r.t.Context(), app, r.statusNow(), p)
	answer := Verified
	if len(problems) > 0 {
		answer = Differs
	}
	missing := slices.DeleteFunc(slices.Clone(problems), func(problem string) bool {
		return slices.ContainsFunc(v.Problems, func(s string) bool { return strings.Contains(s, problem) })
	})
	if v.Answer != answer || v.Error != "" || len(v.Problems) != len(problems) || len(missing) > 0 {
		r.t.Errorf("missing %q in %s", missing, asJSON(r.t, v))
	}
	return v
}

func TestVerifyNamesEverything(t *testing.T) {
	r := newRig(t, "verifies")
	d := r.desired("1.0.0+1", compose("1"))
	r.converges(d)
	good := Published{Desired: d, Vetted: true, Expires: time.Now().Add(30 * 24 * time.Hour)}
	if v := r.verifies(good); v.Containers != 1 || v.Requested != 0 || len(v.Notes) > 0 || v.Version != "1.0.0+1" {
		t.Errorf("%s", asJSON(t, v))
	}

	t.Log("what the catalogue says of it today")
	bad := good
	bad.Vetted, bad.Withdrawn, bad.Distrust, bad.Expires = false, "yanked: loses mails", "another root", time.Now().Add(time.Hour)
	if v := r.verifies(bad, "is not vetted", "is withdrawn (yanked: loses mails)", "another root"); len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "the catalogue expires") {
		t.Errorf("%s", asJSON(t, v))
	}
	another := *d
	another.Stack = r.desired("1.0.0+1", compose("1")).Stack
	another.Stack.Services[r.stack+"_app"].Spec.Labels[LabelEntry] = strings.Repeat("f", 64)
	r.verifies(Published{Desired: &another, Vetted: true}, "was deployed from entry "+d.EntryDigest[:12]+", the catalogue publishes ffffffffffff")

	t.Log("an env file that changed, which no service shows")
	edited := r.desired("1.0.0+1", compose("1", "NOTE: first", "NOTE: ${NOTE}"), "NOTE", "other")
	edited.EntryDigest = d.EntryDigest
	edited.Stack.Services[r.stack+"_app"].Spec.Labels[LabelEntry] = d.EntryDigest
	r.verifies(Published{Desired: edited, Vetted: true}, "Env[NOTE] is first, the env file asks for other")

	t.Log("what should be there and is not")
	wanting := r.desired("1.0.0+1", compose("1"))
	wanting.Secrets = []SecretSpec{{Name: r.stack + "_token_v1"}}
	wanting.Stack.Networks["proxy_nowhere"] = Network{Name: "proxy_nowhere", External: true}
	r.verifies(Published{Desired: wanting, Vetted: true}, "secret "+r.stack+"_token_v1 is missing", "external network proxy_nowhere is missing")

	t.Log("a config of another content under its name")
	config := r.desired("1.0.0+1", compose("1"))
	stored := config.Stack.Configs[r.stack+"_conf_v1"]
	stored.Spec.Data = []byte("other\n")
	config.Stack.Configs[r.stack+"_conf_v1"] = stored
	r.verifies(Published{Desired: config, Vetted: true}, "config "+r.stack+"_conf_v1: Data is 8 bytes")

	t.Log("an image that the entry does not vouch for")
	image := r.desired("1.0.0+1", compose("1"))
	image.Images = map[string]catalogue.Image{r.stack + "_app": {Digest: "sha256:0"}}
	r.verifies(Published{Desired: image, Vetted: true}, "which the entry does not vouch for")
	r.verifyByHand(good)
}

// verifyByHand is what somebody may do to a stack that runs.
func (r *rig) verifyByHand(good Published) {
	t := r.t
	t.Log("a lock, and a network and a service under the stack's name")
	lock, _, err := r.Lock(t.Context(), r.stack, "a test")
	if err != nil {
		t.Fatal(err)
	}
	made, err := r.api.NetworkCreate(t.Context(), r.stack+"_alien", network.CreateOptions{Driver: "overlay", Labels: map[string]string{NamespaceLabel: r.stack}})
	if err != nil {
		t.Fatal(err)
	}
	zero := uint64(0)
	alien := swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: r.stack + "_alien", Labels: map[string]string{NamespaceLabel: r.stack}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "alien"}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &zero}},
	}
	created, err := r.api.ServiceCreate(t.Context(), alien, swarm.ServiceCreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.verifies(good, "holds the lock since", "service "+r.stack+"_alien is not in the entry", "network "+r.stack+"_alien is not in the entry")
	if err := r.api.ServiceRemove(t.Context(), created.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.api.NetworkRemove(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}

	t.Log("older versions of a config are kept and no news; what is no version of one is")
	for _, name := range []string{r.stack + "_conf_v0", r.stack + "_alien_v1"} {
		spec := swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name, Labels: map[string]string{NamespaceLabel: r.stack}}, Data: []byte("x")}
		if _, err := r.api.ConfigCreate(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	if v := r.verifies(good); len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "config "+r.stack+"_alien_v1 carries the stack's label") {
		t.Errorf("notes %q", v.Notes)
	}

	t.Log("a config of nobody's in the place of one that was compared, and more by hand")
	sneaked, err := r.api.ConfigCreate(t.Context(), swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "sneaked_" + r.stack}, Data: []byte("evil")})
	if err != nil {
		t.Fatal(err)
	}
	spec, id, version := r.service("app")
	before := copySpec(spec)
	spec.TaskTemplate.ContainerSpec.Configs[0].ConfigID, spec.TaskTemplate.ContainerSpec.Configs[0].ConfigName = sneaked.ID, "sneaked_"+r.stack
	spec.TaskTemplate.ContainerSpec.Env = append(spec.TaskTemplate.ContainerSpec.Env, "HAND=made")
	spec.Labels[LabelUnverified] = "a work tree"
	r.change(id, version, spec)
	r.verifies(good, "Env[HAND] is made, the entry says (none) (somebody changed it after the last deploy)",
		"ConfigName is sneaked_"+r.stack+", the entry says "+r.stack+"_conf_v1",
		"Labels["+LabelUnverified+"] is a work tree", "nobody vouches for it: a work tree")
	_, id, version = r.service("app")
	r.change(id, version, before)
	r.eventually("the sneaked config is free", func() bool { return r.api.ConfigRemove(context.WithoutCancel(t.Context()), sneaked.ID) == nil })
}

func TestVerificationJudges(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		status        Status
		problem, note string
	}{
		"all is well":   {Status{Version: "1.0.0+1"}, "", ""},
		"unfinished":    {Status{Version: "1.0.0+1", Unfinished: true}, "left unfinished", ""},
		"it deploys":    {Status{Version: "1.0.0+1", Unfinished: true, Lock: &LockStatus{Owner: "me@here", Reason: "deploy"}}, "me@here holds the lock", ""},
		"another's env": {Status{Version: "2.0.0+1"}, "", "the env file names version 1.0.0+1, and 2.0.0+1 runs"},
	} {
		v := NewVerification(App{})
		v.judge(App{Version: "1.0.0+1"}, &test.status, Published{Vetted: true}, now)
		if got := strings.Join(v.Problems, "\n"); !strings.Contains(got, test.problem) || (got == "") != (test.problem == "") || (v.Answer == Verified) != (got == "") {
			t.Errorf("%s: %s with problems %q, want %q", name, v.Answer, got, test.problem)
		}
		if got := strings.Join(v.Notes, "\n"); got != test.note {
			t.Errorf("%s: notes %q, want %q", name, got, test.note)
		}
	}
}

func TestDrifts(t *testing.T) {
	r := newRig(t, "drifts")
	d := r.desired("1.0.0+1", withNetwork(twoServices(compose("1"), "serve")))
	r.converges(d)
	other := r.desired("1.0.0+1", compose("1"))
	for _, test := range []struct {
		wanted *Desired
		want   Drift
	}{{d, DriftNo}, {other, DriftYes}} {
		drifts, err := r.Drifts(t.Context(), []*Desired{test.wanted})
		if err != nil || drifts[r.stack] != test.want {
			t.Errorf("%v (%v), want %s", drifts, err, test.want)
		}
	}
	missing := *d
	missing.Secrets = []SecretSpec{{Name: r.stack + "_token_v1"}}
	if drifts, err := r.Drifts(t.Context(), []*Desired{&missing}); err != nil || drifts[r.stack] != DriftYes {
		t.Errorf("without its secret: %v (%v)", drifts, err)
	}
}
