package deployer

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
)

// What a put-back meets: each test is one thing that somebody did, or that the
// recipe says, between the journal and the end of the put-back.

// once makes a report that does something at the first progress of a stage.
func (r *rig) once(stage string, do func()) func(*DeployOptions) {
	return func(o *DeployOptions) {
		done := false
		o.Report = func(e Event) {
			r.see(e)
			if e.Stage == stage && e.Service != "" && !done {
				done = true
				do()
			}
		}
	}
}

// named is everything of the stack by names, for what may have new IDs.
func (r *rig) named() string {
	r.t.Helper()
	current, err := r.Current(r.t.Context(), r.stack, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var lines []string
	for _, name := range sortedKeys(current.Services) {
		flat := flatten(canonical(current.Services[name].Spec, current.Names()))
		for _, path := range sortedKeys(flat) {
			lines = append(lines, name+" "+path+" "+flat[path])
		}
	}
	for _, name := range sortedKeys(current.Configs) {
		lines = append(lines, "config "+name+" "+string(current.Configs[name].Spec.Data))
	}
	for _, name := range ownNetworks(current) {
		flat := flatten(canonicalNetwork(current.Networks[name].Options, current.Networks[name].Options))
		lines = append(lines, "network "+name+" "+string(asJSON(r.t, flat)))
	}
	return strings.Join(lines, "\n")
}

// isBackByName is isBack for a stack of which something was made again.
func (r *rig) isBackByName(before string) {
	r.t.Helper()
	if after := r.named(); after != before {
		r.t.Errorf("the stack is not as it was; before:\n%s\nafter:\n%s", before, after)
	}
	r.noRecords(recordLock, recordJournal)
	r.serves()
}

func TestPutBackAfterAConfigWasPruned(t *testing.T) {
	r := newRig(t, "pruned")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.named()
	id := r.mounted().ConfigID
	prune := func() {
		if err := r.api.ConfigRemove(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	o := r.deploy(r.desired("2.0.0+2", compose("2", "MODE: serve", "MODE: exit1"), "CONF_VERSION", "v2"), r.once("watch", prune))
	r.ends(o, Failed, StatePrevious)
	r.isBackByName(before)
	if got := r.mounted(); got.ConfigID == id || got.ConfigName != r.stack+"_conf_v1" {
		t.Errorf("the service mounts %+v; the config was removed, and must have been made again", got)
	}
	if said := strings.Join(r.events, "\n"); !strings.Contains(said, "config "+r.stack+"_conf_v1 is gone; it is made again") {
		t.Errorf("it did not say so:\n%s", said)
	}
}

// moved is the test recipe on another network.
func moved(text string) string {
	return strings.NewReplacer("networks: [internal]", "networks: [second]", "  internal: {}", "  second: {}").Replace(text)
}

func TestPutBackToAnotherNetwork(t *testing.T) {
	r := newRig(t, "networks")
	v1 := r.desired("1.0.0+1", compose("1", "  internal: {}", "  internal: {driver_opts: {a: b}, attachable: true, labels: {c: d}}"))
	r.converges(v1)
	before, exactly := r.named(), r.standing()
	sick := r.desired("2.0.0+2", moved(compose("2", "MODE: serve", "MODE: exit1")))
	r.ends(r.deploy(sick), Failed, StatePrevious)
	r.isBack(exactly)
	r.serves()

	t.Log("and a foreign hand removes the old one")
	remove := func() {
		r.eventually("the network's removal", func() bool { return r.api.NetworkRemove(t.Context(), r.stack+"_internal") == nil })
	}
	r.ends(r.deploy(sick, r.once("watch", remove)), Failed, StatePrevious)
	r.isBackByName(before)
	if after := r.standing(); after == exactly {
		t.Error("the network's ID is the same one; it was not removed")
	}
	r.plansToNothing(v1)
}

func TestPutBackOfAServiceThatWasScaledMeanwhile(t *testing.T) {
	r := newRig(t, "scaled")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.standing()
	scale := func() {
		r.eventually("the scaling", func() bool {
			s, err := r.inspect(t.Context(), r.stack+"_app")
			if err != nil {
				t.Fatal(err)
			}
			s.Spec.Mode.Replicated.Replicas = ptr(uint64(2))
			_, err = r.api.ServiceUpdate(t.Context(), s.ID, s.Version, s.Spec, swarm.ServiceUpdateOptions{})
			return err == nil
		})
	}
	o := r.deploy(r.desired("2.0.0+2", compose("2", "MODE: serve", "MODE: exit1"), "CONF_VERSION", "v2"), r.once("watch", scale))
	r.ends(o, Failed, StatePrevious)
	r.isBack(before)
	if said := strings.Join(r.events, "\n"); !strings.Contains(said, "service "+r.stack+"_app was changed by someone else meanwhile; it becomes what it was before the deploy") {
		t.Errorf("it did not say so:\n%s", said)
	}
}

// TestPutBackUnderABadUpdatePolicy: the old version's first task after the
// put-back fails. Under its own policy swarm would now roll it back to the spec
// that is broken, or pause.
func TestPutBackUnderABadUpdatePolicy(t *testing.T) {
	t.Parallel()
	const policy = "monitor: 1s, failure_action: pause, order: stop-first"
	for action, odd := range map[string]string{
		"rollback": "monitor: 5s, failure_action: rollback, order: stop-first, parallelism: 0, max_failure_ratio: 0",
		"pause":    "monitor: 3s, failure_action: pause, order: stop-first, delay: 1h, parallelism: 7",
	} {
		t.Run(action, func(t *testing.T) {
			r := newRig(t, "policy-"+action)
			flaky := compose("1", policy, odd, "MODE: serve", "MODE: flaky")
			r.converges(r.desired("1.0.0+1", flaky))
			before := r.standing()
			bad := compose("2", policy, "monitor: 1h, failure_action: continue, order: start-first, delay: 1h", "MODE: serve", "MODE: exit1")
			o := r.deploy(r.desired("2.0.0+2", bad, "CONF_VERSION", "v2"))
			r.ends(o, Failed, StatePrevious)
			r.isBack(before)
			r.serves()
		})
	}
}

func TestPutBackThatIsKilledIsResumed(t *testing.T) {
	r := newRig(t, "half")
	v1 := r.desired("1.0.0+1", withNetwork(twoServices(compose("1"), "serve")))
	r.converges(v1)
	before := r.standing()
	r.killChild(childPutsBack, "the child's put-back", func(marker string) bool {
		_, err := os.Stat(marker)
		return err == nil
	})
	if half := r.standing(); half == before || !strings.Contains(half, `"FailureAction": "continue"`) {
		t.Fatalf("it was not killed half way:\n%s", half)
	}
	o := r.deployStale(r.desired("3.0.0+3", withNetwork(twoServices(compose("3", "MODE: serve", "MODE: exit1"), "serve")), "CONF_VERSION", "v3"))
	r.ends(o, Failed, StatePrevious)
	r.isBack(before)
	r.serves()
}

func TestJournalThatIsTooLargeKeepsNames(t *testing.T) {
	r := newRig(t, "large")
	j := &Journal{Stack: r.stack, ConfigSpecs: map[string]swarm.ConfigSpec{"noise": {Data: noise(3 << 20)}}, Configs: []string{"noise"}}
	kept, id, resumed, err := r.openJournal(t.Context(), j, true)
	if err != nil || resumed {
		t.Fatal(resumed, err)
	}
	if !kept.Partial || len(kept.ConfigSpecs) > 0 {
		t.Errorf("kept %+v", kept)
	}
	if again, _, err := r.readJournal(t.Context(), r.stack); err != nil || !again.Partial || len(again.Configs) != 1 {
		t.Errorf("read %+v (%v)", again, err)
	}
	if err := r.removeRecord(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// noise are bytes that no compression makes fewer.
func noise(n int) []byte {
	data := make([]byte, n)
	x := uint32(2463534242)
	for i := range data {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		data[i] = byte(x)
	}
	return data
}

func TestJournalKeepsWhatSpecsName(t *testing.T) {
	d := wantPlanned(t, planCompose)
	s := deployedStack(t, d)
	s.Networks["proxy"] = Network{Name: "proxy", ID: "id-of-proxy", External: true}
	s.Configs["web_example_org_conf_v0"] = Config{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "web_example_org_conf_v0"}}}
	j := newJournal(s, planOf(t, d, s), []string{})
	if got := strings.Join(sortedKeys(j.ConfigSpecs), " "); got != "web_example_org_conf_v1" || string(j.ConfigSpecs[got].Data) != "first\n" {
		t.Errorf("configs %q", got)
	}
	if got := strings.Join(sortedKeys(j.NetworkOptions), " "); got != "web_example_org_internal" || !j.NetworkOptions[got].Internal {
		t.Errorf("networks %q", got)
	}
	if want := map[string]string{"id-of-proxy": "proxy", "id-of-web_example_org_internal": "web_example_org_internal"}; !maps.Equal(j.NetworkNames, want) {
		t.Errorf("names %v, want %v", j.NetworkNames, want)
	}
}
