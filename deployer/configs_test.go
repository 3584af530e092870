package deployer

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
)

// unnamed is the test recipe with a config that has no name of its own.
func unnamed(version string) string {
	return compose(version, `, name: "${STACK_NAME}_conf_${CONF_VERSION}"`, "")
}

// addConfig makes a config of the stack by hand.
func (r *rig) addConfig(name, data string) string {
	r.t.Helper()
	made, err := r.api.ConfigCreate(r.t.Context(), swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: name, Labels: map[string]string{NamespaceLabel: r.stack}}, Data: []byte(data),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return made.ID
}

// mounted is the config that the service uses.
func (r *rig) mounted() *swarm.ConfigReference {
	r.t.Helper()
	spec, _, _ := r.service("app")
	return spec.TaskTemplate.ContainerSpec.Configs[0]
}

// plansToNothing checks that what was deployed is what stands.
func (r *rig) plansToNothing(d *Desired) {
	r.t.Helper()
	current, err := r.Current(r.t.Context(), r.stack, d.Stack)
	if err != nil {
		r.t.Fatal(err)
	}
	if plan, err := NewPlan(d, current); err != nil || !plan.Empty() {
		r.t.Errorf("what is deployed plans to %s (%v)", asJSON(r.t, plan.Changes), err)
	}
}

func TestConfigsWithoutNamesAndOldOnes(t *testing.T) {
	r := newRig(t, "unnamed")
	plain := r.stack + "_conf"
	id := r.addConfig(plain, "conf v1\n") // as docker stack deploy leaves it
	v1 := r.desired("1.0.0+1", unnamed("1"))
	r.converges(v1)
	if got := r.mounted(); got.ConfigID != id || got.ConfigName != plain {
		t.Errorf("the service mounts %+v, want %s, which stood", got, plain)
	}
	r.plansToNothing(v1)

	t.Log("other content, and old configs beside it")
	for i := range 5 {
		r.addConfig(plain+"_old"+strconv.Itoa(i+1), "old")
	}
	packed, err := packJournal(&Journal{Configs: []string{plain + "_old1"}})
	if err != nil {
		t.Fatal(err)
	}
	journal, err := r.createRecord(t.Context(), recordJournal, r.stack+"_other", "", packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.removeRecord(context.Background(), journal); err != nil {
			t.Error(err)
		}
	})
	if err := r.CreateSecret(t.Context(), r.stack, r.stack+"_gone_v1", []byte("value")); err != nil {
		t.Fatal(err)
	}
	v2 := r.desired("2.0.0+1", unnamed("1"), "CONF_VERSION", "v2")
	o := r.converges(v2)
	derived := r.mounted().ConfigName
	if !strings.HasPrefix(derived, plain+"_") || len(derived) != len(plain)+13 {
		t.Errorf("the service mounts %q, want a name from the content", derived)
	}
	r.plansToNothing(v2)
	if observed, err := r.Observe(t.Context(), v2); err != nil || len(observed.Problems) > 0 {
		t.Errorf("observed %+v (%v)", observed, err)
	}
	if !slices.Equal(o.Pruned, []string{plain + "_old2"}) {
		t.Errorf("pruned %q; want old2: 3 to 5 are kept, and a journal names 1", o.Pruned)
	}
	if !slices.Equal(o.UnusedSecrets, []string{r.stack + "_gone_v1"}) || len(o.Warnings) > 0 {
		t.Errorf("unused secrets %q, warnings %q", o.UnusedSecrets, o.Warnings)
	}

	t.Log("and back")
	r.converges(v1)
	if got := r.mounted(); got.ConfigID != id {
		t.Errorf("the service mounts %+v, want %s again", got, plain)
	}
	r.plansToNothing(v1)
}

func TestDerivedNames(t *testing.T) {
	config := func(data, template string) swarm.ConfigSpec {
		spec := swarm.ConfigSpec{Data: []byte(data)}
		if template != "" {
			spec.Templating = &swarm.Driver{Name: template}
		}
		return spec
	}
	a := derivedName("stack_conf", config("a", ""))
	if !strings.HasPrefix(a, "stack_conf_") || len(a) != len("stack_conf_")+12 || a != derivedName("stack_conf", config("a", "")) {
		t.Errorf("the name is %q", a)
	}
	if a == derivedName("stack_conf", config("b", "")) || a == derivedName("stack_conf", config("a", "golang")) {
		t.Error("other content has the same name")
	}
	long := derivedName(strings.Repeat("x", 64), config("a", ""))
	if len(long) != maxSwarmName || !strings.HasSuffix(long, a[len("stack_conf"):]) {
		t.Errorf("the long name is %q", long)
	}
}

func TestUnnamedConfigThatChangedPlansToANewOne(t *testing.T) {
	text := strings.Replace(planCompose, `name: "${STACK_NAME}_conf_v1", `, "", 1)
	d := wantPlanned(t, text)
	standing := deployedStack(t, d)
	if p := planOf(t, d, standing); !p.Empty() {
		t.Fatalf("planned %s", asJSON(t, p.Changes))
	}
	plain := "web_example_org_conf"
	derived := derivedName(plain, d.Stack.Configs[plain].Spec)
	old := standing.Configs[plain]
	old.Spec.Data = []byte("other\n")
	standing.Configs[plain] = old
	p := planOf(t, d, standing)
	if c := changeOf(p, derived[len("web_example_org_"):]); c == nil || c.Action != Create {
		t.Errorf("planned %s, want %s to be made", asJSON(t, p.Changes), derived)
	}
	if c := changeOf(p, "app"); !c.Restarts || !strings.Contains(string(asJSON(t, c)), derived) {
		t.Errorf("the service's change is %s", asJSON(t, c))
	}
	if d.Stack.Configs[plain].Spec.Name != plain || usesConfig(d.Stack, derived) {
		t.Error("the wanted stack was changed")
	}

	t.Log("both hold the content, and the service uses the derived one")
	next := d.against(standing)
	both := deployedStack(t, next)
	both.Configs[plain] = d.Stack.Configs[plain]
	if p := planOf(t, d, both); !p.Empty() {
		t.Errorf("planned %s", asJSON(t, p.Changes))
	}
}

func TestOldConfigsAndUnusedSecrets(t *testing.T) {
	d := wantPlanned(t, planCompose)
	s := deployedStack(t, d)
	for name, labels := range map[string]map[string]string{
		"web_example_org_key_v0": nil, "web_example_org_uk_key_v1": {labelApp: "web_example_org_uk"}, "else_key": nil, "mine": {labelApp: "web_example_org"},
	} {
		s.Secrets[name] = Secret{Name: name, Labels: labels, ID: "id-of-" + name}
	}
	if got := strings.Join(planOf(t, d, s).UnusedSecrets, " "); got != "mine web_example_org_key_v0" {
		t.Errorf("unused secrets %q", got)
	}
	if text := rendered(t, planOf(t, d, s)); !strings.Contains(text, "  secrets that nothing uses: mine, web_example_org_key_v0\n") {
		t.Errorf("the text is\n%s", text)
	}
	for stack, spec := range map[string]swarm.ConfigSpec{
		"conf":       {Annotations: swarm.Annotations{Name: "s_conf_v1"}},
		"nginx_conf": {Annotations: swarm.Annotations{Name: "s_nginx_conf_v1"}},
		"labelled":   {Annotations: swarm.Annotations{Name: "s_other_v1", Labels: map[string]string{labelConfig: "labelled"}}},
		"plain":      {Annotations: swarm.Annotations{Name: "s_plain"}},
	} {
		if got := configKey("s", spec); got != stack {
			t.Errorf("the key of %q is %q, want %q", spec.Name, got, stack)
		}
	}
}
