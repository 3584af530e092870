package deployer

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stackDeploy deploys with the docker CLI, as other clients of recipes do: the
// same files, with the whole env file in the main service's environment and with
// their labels.
func (r *rig) stackDeploy(text string, env map[string]string, more ...string) {
	r.t.Helper()
	docker, err := exec.LookPath("docker")
	if err != nil {
		if os.Getenv("CI") == "true" {
			r.t.Fatal(err)
		}
		r.t.Skip(err)
	}
	dir := r.t.TempDir()
	label := func(what, value string) string {
		return "        coop-cloud." + r.stack + "." + what + ": \"" + value + "\"\n"
	}
	labels := "      labels:\n" + label("recipe", "test") + label("version", "1.0.0+1") + label("chaos", "false") + label("timeout", "90") + "        kind: test\n"
	text = strings.Replace(text, "      labels: {kind: test}\n", labels, 1)
	variables := ""
	for _, name := range append(sortedKeys(env), more...) {
		if value, ok := env[name]; ok {
			name += ": \"" + value + "\""
		}
		variables += "      " + name + "\n"
	}
	text = strings.Replace(text, "      NOTE: first\n", "      NOTE: first\n"+variables, 1)
	text = "version: \"3.8\"\n" + strings.ReplaceAll(text, "APP:", r.lab.registry.Addr+"/app:")
	writeFile(r.t, filepath.Join(dir, "compose.yml"), text)
	writeFile(r.t, filepath.Join(dir, "conf.txt"), "conf v1\n")
	cmd := exec.Command(docker, "-H", r.lab.host, "stack", "deploy", "--resolve-image", "always", "-c", "compose.yml", r.stack)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+dir, "STACK_NAME="+r.stack, "CONF_VERSION=v1")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("docker stack deploy: %v\n%s\n%s", err, out, text)
	}
	r.eventually("the stack runs", func() bool {
		status, err := r.Status(r.t.Context(), r.stack)
		return err == nil && status.Healthy()
	})
}

func TestAdoptTakesOverWhatAnotherClientDeployed(t *testing.T) {
	r := newRig(t, "adopts")
	d := r.desired("1.0.0+1", compose("1"))
	r.stackDeploy(compose("1"), map[string]string{
		"TYPE": "test:0.9.0+0", "DOMAIN": r.domain, "CONF_VERSION": "v1", "STACK_NAME": r.stack,
	}, "HAND: made", "OTHER: "+r.domain)
	app := App{Domain: r.domain, Server: "test", Path: "the.env", Recipe: "test", Stack: r.stack, Version: "0.9.0+0"}
	before, tasks := r.inventory(t.Context()), r.tasks()

	status, err := r.Status(t.Context(), r.stack)
	if err != nil {
		t.Fatal(err)
	}
	a := NewAdoption(status, "test", &app)
	if a.Answer != Adoptable || a.Recipe != "test" || a.Version != "1.0.0+1" {
		t.Fatalf("the stack is %s", asJSON(t, a))
	}
	if err := r.Vouch(t.Context(), &a, &Published{Desired: d}, ""); err != nil {
		t.Fatal(err)
	}
	if a.Entry != "" || len(a.Unverified) != 1 || !strings.Contains(a.Unverified[0], "asks for 2 other fields") {
		t.Errorf("with two variables of nobody's it is vouched for: %s", asJSON(t, a))
	}
	if err := r.Adopt(t.Context(), status, &a, CatalogueMark{Fingerprint: "x"}); err != nil || a.Answer != Adopted {
		t.Fatalf("%s: %v", a.Answer, err)
	}

	t.Log("one record is all that is written")
	after := r.inventory(t.Context())
	added := slices.DeleteFunc(slices.Clone(after), func(line string) bool { return slices.Contains(before, line) })
	gone := slices.DeleteFunc(slices.Clone(before), func(line string) bool { return slices.Contains(after, line) })
	if len(added) != 1 || len(gone) != 0 || !strings.HasPrefix(added[0], "config ") || !strings.Contains(added[0], "galley_history_") {
		t.Errorf("added %q, gone %q", added, gone)
	}
	if now := r.tasks(); now != tasks {
		t.Errorf("tasks %q became %q", tasks, now)
	}
	record := r.lastRecord()
	if record.Operation != OpAdopt || record.To != "1.0.0+1" || record.Recipe != "test" || record.Entry != "" || record.Catalogue.Fingerprint != "" ||
		record.Verdict != Converged || record.Number != 1 || len(record.Unverified) != 1 || time.Since(record.When) > time.Hour {
		t.Errorf("the record is %s", asJSON(t, record))
	}
	if err := r.Adopt(t.Context(), status, &a, CatalogueMark{}); err == nil || !strings.Contains(err.Error(), "somebody adopted") {
		t.Errorf("adopted twice: %v", err)
	}
	if status, err = r.Status(t.Context(), r.stack); err != nil {
		t.Fatal(err)
	}
	if again := NewAdoption(status, "test", &app); again.Answer != Already || !strings.HasPrefix(again.Reason, "adopt by ") {
		t.Errorf("once more it is %s", asJSON(t, again))
	}

	t.Log("the first plan tells what the client left apart")
	current, err := r.Current(t.Context(), r.stack, d.Stack)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(d, current)
	if err != nil {
		t.Fatal(err)
	}
	var change Change
	for _, c := range plan.Changes {
		if c.Action != Keep && c.Name != r.stack+"_app" || c.Action == Update && c.Kind != "service" {
			t.Errorf("the plan has %s", asJSON(t, c))
		}
		if c.Name == r.stack+"_app" {
			change = c
		}
	}
	if !change.Restarts {
		t.Error("the plan does not say that the service restarts")
	}
	recipe, client := byOrigin(change.Fields)
	paths := func(fields []Field) (all []string) {
		for _, f := range fields {
			all = append(all, fieldName(f.Path))
		}
		return all
	}
	if diff := cmp.Diff([]string{"Env[HAND]", "Env[OTHER]"}, paths(recipe)); diff != "" {
		t.Errorf("of the recipe (-want +got):\n%s", diff)
	}
	want := []string{"Labels[coop-cloud." + r.stack + ".timeout]", "Labels[galley.entry]", "Env[CONF_VERSION]", "Env[DOMAIN]", "Env[STACK_NAME]", "Env[TYPE]"}
	if diff := cmp.Diff(want, paths(client)); diff != "" {
		t.Errorf("of the client (-want +got):\n%s", diff)
	}
	var folded, whole strings.Builder
	if err := plan.Render(&folded, RenderOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := plan.Render(&whole, RenderOptions{Client: true}); err != nil {
		t.Fatal(err)
	}
	if text := folded.String(); !strings.Contains(text, "      left by another client: 4 variables, 2 labels (plan --all shows them)\n") || strings.Contains(text, "Env[TYPE]") || !strings.Contains(text, "Env[HAND]") {
		t.Errorf("the plan reads:\n%s", text)
	}
	if text := whole.String(); !strings.Contains(text, "Env[TYPE]") || strings.Contains(text, "left by another client") {
		t.Errorf("the whole plan reads:\n%s", text)
	}

	t.Log("and the first deploy is one")
	r.converges(d)
	if plan, err = NewPlan(d, r.now(d)); err != nil || !plan.Empty() {
		t.Errorf("after it the plan is %s (%v)", asJSON(t, plan), err)
	}
	if got := NewAdoption(r.statusNow(), "test", &app); got.Answer != Already {
		t.Errorf("a stack of galley's is %s", asJSON(t, got))
	}
}

func (r *rig) now(d *Desired) *Stack {
	r.t.Helper()
	current, err := r.Current(r.t.Context(), r.stack, d.Stack)
	if err != nil {
		r.t.Fatal(err)
	}
	return current
}

func (r *rig) statusNow() *Status {
	r.t.Helper()
	status, err := r.Status(r.t.Context(), r.stack)
	if err != nil {
		r.t.Fatal(err)
	}
	return status
}

func TestAdoptVouchesForWhatAgrees(t *testing.T) {
	r := newRig(t, "vouched")
	d := r.desired("1.0.0+1", compose("1"))
	r.stackDeploy(compose("1"), map[string]string{"TYPE": "test", "DOMAIN": r.domain})
	app := App{Domain: r.domain, Recipe: "test", Stack: r.stack}
	status := r.statusNow()
	a := NewAdoption(status, "test", &app)
	if err := r.Vouch(t.Context(), &a, &Published{Desired: d}, ""); err != nil {
		t.Fatal(err)
	}
	if a.Entry != d.EntryDigest || len(a.Unverified) > 0 {
		t.Fatalf("the adoption is %s", asJSON(t, a))
	}
	mark := CatalogueMark{Fingerprint: "abc", Timestamp: 3}
	if err := r.Adopt(t.Context(), status, &a, mark); err != nil {
		t.Fatal(err)
	}
	if record := r.lastRecord(); record.Entry != d.EntryDigest || record.Catalogue != mark || len(record.Unverified) > 0 {
		t.Errorf("the record is %s", asJSON(t, record))
	}
	if got := r.statusNow().Catalogue; got != "abc" {
		t.Errorf("the stack's catalogue is %q", got)
	}
}

func TestNewAdoptionRefuses(t *testing.T) {
	app := &App{Domain: "web.example.org", Path: "web.env", Recipe: "web", Stack: "web_example_org"}
	for name, test := range map[string]struct {
		status Status
		app    *App
		answer AdoptionWord
		reason string
	}{
		"no env file":   {Status{Recipe: "web", Version: "1.0.0+1"}, nil, NotAdopted, "no env file"},
		"other recipe":  {Status{Recipe: "wiki", Version: "1.0.0+1"}, app, NotAdopted, `the recipe "wiki", and web.env names "web"`},
		"no version":    {Status{}, app, NotAdopted, "say which version"},
		"no recipe":     {Status{}, &App{Path: "x.env"}, NotAdopted, "x.env names no recipe"},
		"locked":        {Status{Recipe: "web", Version: "1.0.0+1", Lock: &LockStatus{Owner: "me@here", Reason: "deploy"}}, app, NotAdopted, "me@here holds its lock"},
		"unfinished":    {Status{Recipe: "web", Version: "1.0.0+1", Unfinished: true}, app, NotAdopted, "left unfinished"},
		"in history":    {Status{Recipe: "web", Version: "1.0.0+1", Last: &Record{To: "1.0.0+1", By: "me@here"}}, app, Already, "deploy by me@here"},
		"galley's":      {Status{Recipe: "web", Version: "1.0.0+1", Entry: "e", Last: &Record{To: "2.0.0+1"}}, app, Already, "deploy by"},
		"client's next": {Status{Recipe: "web", Version: "2.0.0+1", Last: &Record{To: "1.0.0+1"}}, app, Adoptable, ""},
		"once undeployed": {
			Status{Recipe: "web", Version: "1.0.0+1", Last: &Record{Operation: OpUndeploy}}, app, Adoptable, "",
		},
		"env file alone": {Status{}, &App{Recipe: "web", Version: "1.0.0+1"}, Adoptable, ""},
		"twice by the env file": {
			Status{Last: &Record{Operation: OpAdopt, To: "1.0.0+1"}}, &App{Recipe: "web", Version: "1.0.0+1"}, Already, "adopt by",
		},
		"labels alone": {Status{Recipe: "web", Version: "1.0.0+1"}, app, Adoptable, ""},
	} {
		a := NewAdoption(&test.status, "here", test.app)
		if a.Answer != test.answer || !strings.Contains(a.Reason, test.reason) {
			t.Errorf("%s: %s (%s), want %s (%s)", name, a.Answer, a.Reason, test.answer, test.reason)
		}
	}
}
