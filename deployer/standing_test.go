package deployer

import (
	"strings"
	"testing"
)

func TestRestartAndScale(t *testing.T) {
	r := newRig(t, "standing")
	v1 := r.desired("1.0.0+1", compose("1"))
	r.converges(v1)
	before := r.tasks()

	standing, err := r.Standing(t.Context(), r.stack)
	if err != nil {
		t.Fatal(err)
	}
	current, err := r.Current(t.Context(), r.stack, standing.Stack)
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := NewPlan(standing, current); err != nil || !plan.Empty() || len(plan.Warnings) > 0 {
		t.Fatalf("what stands plans to %s (%v)", asJSON(t, plan), err)
	}

	standing.Restart[r.stack+"_app"] = true
	o := r.deploy(standing, func(o *DeployOptions) { o.Operation = OpRestart })
	r.ends(o, Converged, StateNew)
	restarted := r.tasks()
	if restarted == before || restarted == "" {
		t.Errorf("tasks %q, before the restart %q", restarted, before)
	}
	if record := r.lastRecord(); record.Operation != OpRestart || record.From != "1.0.0+1" || record.To != "1.0.0+1" || record.Entry != v1.EntryDigest {
		t.Errorf("the record says %+v", record)
	}

	if standing, err = r.Standing(t.Context(), r.stack); err != nil {
		t.Fatal(err)
	}
	if err := standing.Scale("app", 2); err != nil {
		t.Fatal(err)
	}
	r.converges(standing)
	if after := strings.Fields(r.tasks()); len(after) != 2 {
		t.Errorf("%d tasks run, want 2", len(after))
	}

	t.Log("a deploy keeps the number, and says so")
	v2 := r.desired("2.0.0+2", compose("2"))
	if current, err = r.Current(t.Context(), r.stack, v2.Stack); err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(v2, current)
	if err != nil || !strings.Contains(strings.Join(plan.Warnings, "\n"), "stays at 2 replicas, as an operator scaled it; the recipe says 1") {
		t.Errorf("the plan warns of %q (%v)", plan.Warnings, err)
	}
	r.converges(v2)
	if after := strings.Fields(r.tasks()); len(after) != 2 {
		t.Errorf("%d tasks run after the deploy, want 2", len(after))
	}
	if err := standing.Scale("nobody", 2); err == nil || !strings.Contains(err.Error(), `no service "nobody"`) {
		t.Errorf("error %v", err)
	}
}
