package deployer

import (
	"bytes"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// standing is everything of the stack that a put-back must bring back: specs
// byte by byte, and the names of what belongs to it.
func (r *rig) standing() string {
	r.t.Helper()
	current, err := r.Current(r.t.Context(), r.stack, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var out bytes.Buffer
	for _, name := range sortedKeys(current.Services) {
		out.WriteString(name + " ")
		out.Write(asJSON(r.t, current.Services[name].Spec))
	}
	for _, name := range sortedKeys(current.Configs) {
		out.WriteString("config " + name + "\n")
	}
	for _, name := range ownNetworks(current) {
		out.WriteString("network " + name + "\n")
	}
	return out.String()
}

// isBack checks that the stack is as before, and that no lock or journal stays.
func (r *rig) isBack(before string) {
	r.t.Helper()
	if after := r.standing(); after != before {
		r.t.Errorf("the stack is not as it was; before:\n%s\nafter:\n%s", before, after)
	}
	r.noRecords(recordLock, recordJournal)
}

func (r *rig) noRecords(kinds ...recordKind) {
	r.t.Helper()
	for _, kind := range kinds {
		records, err := r.records(r.t.Context(), kind, r.stack)
		if err != nil || len(records) > 0 {
			r.t.Errorf("%d records of kind %s are left (%v)", len(records), kind, err)
		}
	}
}

// tasks are the IDs of the running tasks.
func (r *rig) tasks() string {
	r.t.Helper()
	return r.tasksThat(func(t *swarm.Task) bool { return isUp(t, false) })
}

// allTasks are those that ended, too.
func (r *rig) allTasks() string {
	r.t.Helper()
	return r.tasksThat(func(*swarm.Task) bool { return true })
}

func (r *rig) tasksThat(fit func(*swarm.Task) bool) string {
	r.t.Helper()
	current, err := r.Current(r.t.Context(), r.stack, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	tasks, err := r.tasksOf(r.t.Context(), current)
	if err != nil {
		r.t.Fatal(err)
	}
	found := map[string]bool{}
	for i := range tasks {
		if fit(&tasks[i]) {
			found[tasks[i].ID] = true
		}
	}
	return strings.Join(sortedKeys(found), " ")
}

func (r *rig) lastRecord() Record {
	r.t.Helper()
	records, err := r.History(r.t.Context(), r.stack)
	if err != nil || len(records) == 0 {
		r.t.Fatalf("%d records (%v)", len(records), err)
	}
	return records[len(records)-1]
}

func TestDeployFreshAgainAndUpgrade(t *testing.T) {
	r := newRig(t, "fresh")
	v1 := r.desired("1.0.0+1", compose("1"))
	o := r.converges(v1)
	if o.Observed != 1 || o.Requested != 0 {
		t.Errorf("%d containers observed, %d requested, want 1 and 0", o.Observed, o.Requested)
	}
	r.noRecords(recordLock, recordJournal)
	current, err := r.Current(t.Context(), r.stack, v1.Stack)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(v1, current)
	if err != nil || !plan.Empty() {
		t.Fatalf("the plan after the deploy: %v %s", err, asJSON(t, plan.Changes))
	}
	labels := current.Services[r.stack+"_app"].Spec.Labels
	for label, want := range map[string]string{
		NamespaceLabel: r.stack, "coop-cloud." + r.stack + ".recipe": "test", "coop-cloud." + r.stack + ".version": "1.0.0+1",
		"coop-cloud." + r.stack + ".chaos": "false", LabelEntry: v1.EntryDigest,
	} {
		if labels[label] != want {
			t.Errorf("label %s is %q, want %q", label, labels[label], want)
		}
	}
	if record := r.lastRecord(); record.Number != 1 || record.From != "" || record.To != "1.0.0+1" || record.Verdict != Converged || record.State != StateNew || record.By != Operator() {
		t.Errorf("the record says %+v", record)
	}
	observed, err := r.Observe(t.Context(), v1)
	if err != nil || len(observed.Problems) > 0 || observed.Containers != 1 {
		t.Errorf("observed %+v (%v)", observed, err)
	}

	t.Log("nothing to change")
	before := r.tasks()
	o = r.converges(v1)
	if after := r.tasks(); after != before {
		t.Errorf("tasks %q were replaced by %q; the deploy changed nothing", before, after)
	}

	t.Log("labels only")
	r.converges(r.desired("1.0.1+1", compose("1", "kind: test", "kind: other")))
	if after := r.tasks(); after != before {
		t.Errorf("tasks %q were replaced by %q; the deploy changed labels only", before, after)
	}

	t.Log("an upgrade")
	r.converges(r.desired("2.0.0+2", compose("2"), "CONF_VERSION", "v2"))
	if after := r.tasks(); after == before || after == "" {
		t.Errorf("tasks %q; they should have been replaced", after)
	}
	status, err := r.Status(t.Context(), r.stack)
	if err != nil {
		t.Fatal(err)
	}
	if status.Version != "2.0.0+2" || status.Recipe != "test" || !status.Healthy() || status.Last == nil || status.Last.Number != 4 || status.Last.From != "1.0.1+1" {
		t.Errorf("status %s", asJSON(t, status))
	}
	r.noRecords(recordLock, recordJournal)
}

func TestDriftIsObserved(t *testing.T) {
	r := newRig(t, "drift")
	d := r.desired("1.0.0+1", compose("1"))
	r.converges(d)
	spec, id, version := r.service("app")
	delete(spec.Labels, "kind")
	spec.TaskTemplate.ContainerSpec.StopGracePeriod = ptr(2 * time.Second)
	r.change(id, version, spec)
	observed, err := r.Observe(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(observed.Problems, "\n")
	if len(observed.Problems) != 2 || !strings.Contains(text, "Labels[kind] is (none), the entry says test") || !strings.Contains(text, "StopGracePeriod") {
		t.Errorf("problems %q", observed.Problems)
	}
	if status, err := r.Status(t.Context(), "nobody_example_org"); err == nil {
		t.Errorf("a stack that is not there has the status %+v", status)
	}
}

// serves checks that every service of the stack runs all its tasks.
func (r *rig) serves() {
	r.t.Helper()
	status, err := r.Status(r.t.Context(), r.stack)
	if err != nil || !status.Healthy() {
		r.t.Errorf("the stack does not run: %v %s", err, asJSON(r.t, status))
	}
}

func TestOldVersionThatDoesNotComeUpAgain(t *testing.T) {
	r := newRig(t, "once")
	policy := []string{"failure_action: pause, order: stop-first", "failure_action: rollback, order: stop-first"}
	once := compose("1", append(policy, "MODE: serve", "MODE: once")...)
	r.converges(r.desired("1.0.0+1", once))
	before := r.standing()
	o := r.deploy(r.desired("2.0.0+2", compose("2", append(policy, "MODE: serve", "MODE: sick")...), "CONF_VERSION", "v2"))
	r.ends(o, RolledBack, StateMixed)
	if !strings.Contains(o.Reason, "; putting back: service "+r.stack+"_app: its task failed 3 times") {
		t.Errorf("reason %q", o.Reason)
	}
	current, err := r.Current(t.Context(), r.stack, nil)
	if err != nil {
		t.Fatal(err)
	}
	if spec := current.Services[r.stack+"_app"].Spec; !strings.Contains(before, string(asJSON(t, spec))) {
		t.Errorf("the old spec is not written: %s", asJSON(t, spec))
	}
	if _, id, err := r.readJournal(t.Context(), r.stack); err != nil || id == "" {
		t.Errorf("the journal is gone (%v), and the stack is not back", err)
	}

	t.Log("a version that runs ends it")
	r.converges(r.desired("3.0.0+3", compose("3"), "CONF_VERSION", "v3"))
	r.noRecords(recordLock, recordJournal)
}

func TestDeployLeavesNoGoroutines(t *testing.T) {
	r := serialRig(t, "leaks")
	r.converges(r.desired("1.0.0+1", compose("1")))
	r.ends(r.deploy(r.desired("2.0.0+2", compose("2", "MODE: serve", "MODE: exit1"))), Failed, StatePrevious)
	var dump bytes.Buffer
	r.eventually("the goroutines' end", func() bool {
		dump.Reset()
		if err := pprof.Lookup("goroutine").WriteTo(&dump, 1); err != nil {
			t.Fatal(err)
		}
		return !strings.Contains(dump.String(), "deployer.(*watch)") && !strings.Contains(dump.String(), "deployer.(*Lock)")
	})
}
