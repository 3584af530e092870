package deployer

import (
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestParseScale(t *testing.T) {
	for text, want := range map[string]ScaleTo{
		"app=3":      {Service: "app", Replicas: 3},
		"app=0":      {Service: "app"},
		"app=1000":   {Service: "app", Replicas: 1000},
		"app=recipe": {Service: "app", Recipe: true},
	} {
		if got, err := ParseScale(text); err != nil || got != want {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "app", "=3", "app=", "app=-1", "app=1001", "app=1.5", "app=99999999999999999999", "app=many"} {
		if _, err := ParseScale(text); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v, want a usage error", text, err)
		}
	}
}

func TestScaleIsGivenBack(t *testing.T) {
	r := newRig(t, "giveback")
	wanted := r.desired("1.0.0+1", compose("1"))
	r.converges(wanted)
	scale := func(change func(*Desired)) {
		t.Helper()
		standing, err := r.Standing(t.Context(), r.stack)
		if err != nil {
			t.Fatal(err)
		}
		change(standing)
		r.ends(r.deploy(standing, func(o *DeployOptions) { o.Operation = OpScale }), Converged, StateNew)
	}
	give := func(recipe *Desired, wantKnown bool) func(*Desired) {
		return func(d *Desired) {
			if known, err := d.Unscale("app", recipe); err != nil || known != wantKnown {
				t.Fatalf("known %v, error %v; want known %v", known, err, wantKnown)
			}
		}
	}
	stands := func(tasks int, label string) {
		t.Helper()
		spec, _, _ := r.service("app")
		if got := len(strings.Fields(r.tasks())); got != tasks || spec.Labels[LabelScale] != label {
			t.Errorf("%d tasks, label %q; want %d and %q", got, spec.Labels[LabelScale], tasks, label)
		}
	}
	two := func(d *Desired) {
		if err := d.Scale("app", 2); err != nil {
			t.Fatal(err)
		}
	}
	scale(two)
	stands(2, "2")
	if record := r.lastRecord(); record.Operation != OpScale || record.To != "1.0.0+1" {
		t.Errorf("the record says %+v", record)
	}

	t.Log("with the recipe at hand the number is the recipe's at once")
	scale(give(wanted, true))
	stands(1, "")

	t.Log("without it the number stays until the next deploy")
	scale(two)
	scale(give(nil, false))
	stands(2, "")
	r.converges(wanted)
	stands(1, "")
}

func TestRestartServicesNamesWhatThereIs(t *testing.T) {
	d := wantStack(t, "services:\n  app: {image: \"web:1\"}\n  db: {image: \"web:1\"}\n", "", "1.0.0+1", "web:1")
	if err := d.RestartServices([]string{"nobody"}); fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "app, db") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if err := d.RestartServices([]string{"db"}); err != nil || len(d.Restart) != 1 || !d.Restart["web_example_org_db"] {
		t.Errorf("restarts %v (%v)", d.Restart, err)
	}
	if err := d.RestartServices(nil); err != nil || len(d.Restart) != 2 {
		t.Errorf("restarts %v (%v)", d.Restart, err)
	}
}
