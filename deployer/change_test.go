package deployer

import (
	"strings"
	"testing"
)

// twoServices adds a second service to the test recipe.
func twoServices(text, mode string) string {
	return strings.Replace(text, "configs:\n  conf:", `  side:
    image: APP:1
    environment: {MODE: `+mode+`}
    stop_grace_period: 1s
    networks: [internal, second]
    deploy:
      restart_policy: {delay: 100ms}
      update_config: {monitor: 1s}
configs:
  conf:`, 1) + "\n"
}

func withNetwork(text string) string {
	return strings.Replace(text, "  internal: {}\n", "  internal: {}\n  second: {}\n", 1)
}

func TestChangedModeIsPutBack(t *testing.T) {
	r := newRig(t, "mode")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.standing()
	_, id, _ := r.service("app")
	global := compose("2", "replicas: 1", "mode: global")
	// On a busy machine a process may take more than a second to its end.
	bad := strings.Replace(twoServices(global, "exit1"), "      update_config: {monitor: 1s}\n", "      update_config: {monitor: 5s}\n", 1)
	o := r.deploy(r.desired("2.0.0+2", withNetwork(bad), "CONF_VERSION", "v2"))
	r.ends(o, Failed, StatePrevious)
	if !strings.Contains(o.Reason, "service "+r.stack+"_side: its task failed 3 times") {
		t.Errorf("reason %q", o.Reason)
	}
	r.isBack(before)
	r.serves()
	if _, now, _ := r.service("app"); now == id {
		t.Error("the service is the same one; its mode cannot have changed")
	}

	t.Log("and without a failure")
	r.converges(r.desired("2.0.0+2", global, "CONF_VERSION", "v2"))
	if spec, _, _ := r.service("app"); spec.Mode.Global == nil {
		t.Errorf("the mode is %s", modeName(spec.Mode))
	}
	r.serves()
}

func TestServicesComeAndGo(t *testing.T) {
	r := newRig(t, "shrinks")
	r.converges(r.desired("1.0.0+1", withNetwork(twoServices(compose("1"), "serve"))))
	both := r.standing()
	if !strings.Contains(both, "_side ") || !strings.Contains(both, "_second") {
		t.Fatalf("deployed:\n%s", both)
	}
	r.converges(r.desired("2.0.0+1", compose("1")))
	if one := r.standing(); strings.Contains(one, "_side ") || strings.Contains(one, "_second") {
		t.Errorf("what the new version does not have is left:\n%s", one)
	}
}

func TestJobsAndScaling(t *testing.T) {
	r := newRig(t, "job")
	job := strings.NewReplacer(
		"replicas: 1", "mode: replicated-job", "MODE: serve", "MODE: exit0", "condition: any, ", "condition: none, ",
		"      update_config: {monitor: 1s, failure_action: pause, order: stop-first}\n", "", "      rollback_config: {monitor: 1s}\n", "",
	).Replace(compose("1"))
	d := r.desired("1.0.0+1", job)
	r.converges(d)
	ran := r.allTasks()
	r.converges(d)
	if again := r.allTasks(); again != ran || ran == "" {
		t.Errorf("tasks %q became %q in a deploy that changes nothing: the job ran again", ran, again)
	}
	before := r.standing()
	r.ends(r.deploy(r.desired("2.0.0+1", strings.Replace(job, "MODE: exit0", "MODE: exit1", 1))), Failed, StatePrevious)
	r.isBack(before)

	t.Log("to replicas 0 and up again")
	none := compose("1", "replicas: 1", "replicas: 0")
	r.converges(r.desired("3.0.0+1", none))
	r.converges(r.desired("4.0.0+2", strings.Replace(none, "APP:1", "APP:2", 1)))
	r.converges(r.desired("5.0.0+2", compose("2", "replicas: 1", "replicas: 2")))
	r.serves()
}

func TestNetworkOfEveryNodePlansToNothing(t *testing.T) {
	r := newRig(t, "hostnet")
	text := compose("1", "networks: [internal]", "networks: [host]", "internal: {}", "host: {external: true}")
	d := r.desired("1.0.0+1", text)
	r.converges(d)
	current, err := r.Current(t.Context(), r.stack, d.Stack)
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := NewPlan(d, current); err != nil || !plan.Empty() {
		t.Errorf("%v %s", err, asJSON(t, plan))
	}
	before := r.standing()
	r.ends(r.deploy(r.desired("2.0.0+2", strings.Replace(text, "MODE: serve", "MODE: exit1", 1))), Failed, StatePrevious)
	r.isBack(before)
}

func TestNetworkThatIsGoneIsNotCountedOn(t *testing.T) {
	r := newRig(t, "gone")
	d := r.desired("1.0.0+1", compose("1"))
	r.converges(d)
	_, id, _ := r.service("app")
	if err := r.api.ServiceRemove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	current, err := r.Current(t.Context(), r.stack, nil)
	if err != nil {
		t.Fatal(err)
	}
	name := r.stack + "_internal"
	gone := current.Networks[name].ID
	for r.api.NetworkRemove(t.Context(), gone) != nil { // while a task is in it
		if err := pause(t.Context(), lookAgain); err != nil {
			t.Fatal(err)
		}
	}
	// Its node may list it still, and a plan counts on it then.
	r.converges(d)
	if current, err = r.Current(t.Context(), r.stack, d.Stack); err != nil {
		t.Fatal(err)
	}
	if n := current.Networks[name]; n.ID == "" || n.ID == gone {
		t.Errorf("the network is %q; it was %s, and is gone", n.ID, gone)
	}
}
