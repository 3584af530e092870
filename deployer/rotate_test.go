package deployer

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

const rotateEnv = `# the app
TYPE=test:1.0.0+1
DOMAIN=@
CONF_VERSION=v1

SECRET_KEY_VERSION=v1 # length=20 charset=hex
`

// rotatingApp writes the env file of an app whose secret can be rotated.
func (r *rig) rotatingApp() App {
	return writeApp(r.t, r.domain, strings.ReplaceAll(rotateEnv, "@", r.domain))
}

// desiredFor is the wanted stack of an app as its env file is.
func (r *rig) desiredFor(app App, text string) *Desired {
	r.t.Helper()
	text = strings.ReplaceAll(withSecret(text), "APP:", r.lab.registry.Addr+"/app:")
	files := map[string]string{"compose.yml": text, "conf.txt": "conf\n"}
	d, err := NewDesired(r.t.Context(), Input{App: app, Recipe: loadRecipe(r.t, files), Entry: &catalogue.Entry{Version: "1.0.0+1", Images: r.images}})
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// rotates rotates the app's secret, as its env file is now; a value of "" is
// generated.
func (r *rig) rotates(path, text, value string, report func(Event)) (Outcome, Rotated, error) {
	r.t.Helper()
	app, err := loadApp("default", r.domain, path)
	if err != nil {
		r.t.Fatal(err)
	}
	rotation, err := r.PlanRotation(r.t.Context(), app, r.desiredFor(app, compose("1")), []string{"key"}, value != "")
	if err != nil {
		r.t.Fatal(err)
	}
	values := map[string][]byte{}
	for _, spec := range rotation.NeedsValue() {
		values[spec.Key] = []byte(value)
		if value == "" {
			values[spec.Key] = []byte("generated")
		}
	}
	desired := r.desiredFor(rotation.App, text)
	current, err := r.Current(r.t.Context(), r.stack, desired.Stack)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := rotation.Pretend(current, desired); err != nil {
		r.t.Fatal(err)
	}
	shown, err := NewPlan(desired, current)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.Rotate(r.t.Context(), rotation, values, desired, shown, DeployOptions{Limits: Limits{Converge: time.Minute, Pull: time.Minute}, Report: report})
}

// hasSecrets checks which secrets the swarm has of the stack, and what the env
// file and the service name.
func (r *rig) hasSecrets(path, version string, want ...string) {
	r.t.Helper()
	current, err := r.Current(r.t.Context(), r.stack, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var have []string
	for _, name := range sortedKeys(current.Secrets) {
		if rest, ok := strings.CutPrefix(name, r.stack+"_key_"); ok {
			have = append(have, rest)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	env := strings.ReplaceAll(strings.ReplaceAll(rotateEnv, "@", r.domain), "VERSION=v1 #", "VERSION="+version+" #")
	mounted := sortedKeys(mountedSecrets(current))
	if !slices.Equal(have, want) || string(text) != env || !slices.Equal(mounted, []string{r.stack + "_key_" + version}) {
		r.t.Errorf("the swarm has %q, the service mounts %q, the env file is\n%s\nwant %q and %s everywhere", have, mounted, text, want, version)
	}
}

func TestRotate(t *testing.T) {
	r := newRig(t, "rotate")
	app := r.rotatingApp()
	if err := r.CreateSecret(t.Context(), r.stack, r.stack+"_key_v1", []byte("first")); err != nil {
		t.Fatal(err)
	}
	r.converges(r.desiredFor(app, compose("1")))
	r.hasSecrets(app.Path, "v1", "v1")

	o, rotated, err := r.rotates(app.Path, compose("1"), "", r.see)
	if err != nil {
		t.Fatal(err)
	}
	r.ends(o, Converged, StateNew)
	r.hasSecrets(app.Path, "v2", "v2")
	if !slices.Equal(rotated.Retired, []string{r.stack + "_key_v1"}) || len(rotated.Kept) != 0 {
		t.Errorf("rotated %+v", rotated)
	}
	if len(o.UnusedSecrets) != 0 {
		t.Errorf("%q are said to be left", o.UnusedSecrets)
	}
	if record := r.lastRecord(); record.Operation != OpRotate || record.Verdict != Converged {
		t.Errorf("the record says %+v", record)
	}

	t.Log("one whose deploy fails")
	before := r.standing()
	o, rotated, err = r.rotates(app.Path, compose("1", "MODE: serve", "MODE: exit1"), "hunter2", r.see)
	if err != nil {
		t.Fatal(err)
	}
	r.ends(o, Failed, StatePrevious)
	r.isBack(before)
	r.hasSecrets(app.Path, "v2", "v2")
	if len(rotated.Retired) != 0 {
		t.Errorf("rotated %+v", rotated)
	}
	r.noRecords(recordLock, recordJournal)

	t.Log("one that does not begin")
	lock, _, err := r.Lock(t.Context(), r.stack, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.rotates(app.Path, compose("1"), "hunter2", nil); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "is locked by") {
		t.Errorf("error %v, want the lock", err)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.hasSecrets(app.Path, "v2", "v2")

	t.Log("one whose env file is edited meanwhile keeps the edit")
	_, _, err = r.rotates(app.Path, compose("1"), "hunter2", func(e Event) {
		if e.Message == saidMade {
			if err := os.WriteFile(app.Path, []byte(strings.ReplaceAll(rotateEnv, "@", r.domain)+"MORE=1\n"), 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	text, _ := os.ReadFile(app.Path)
	if err == nil || !strings.Contains(err.Error(), "was edited meanwhile") || !strings.Contains(string(text), "MORE=1") {
		t.Errorf("error %v, env file\n%s", err, text)
	}
	for _, line := range append(r.events, oneLine(o.Reason)) {
		if strings.Contains(line, "hunter2") {
			t.Errorf("a value is told: %s", line)
		}
	}
}

func TestRotationOfOthersSecrets(t *testing.T) {
	r := newRig(t, "norotate")
	for version, says := range map[string]string{"v1": "", "one": "version that ends in a number", "": "version that ends in a number"} {
		app := writeApp(t, r.domain, "TYPE=test\nDOMAIN="+r.domain+"\nCONF_VERSION=v1\nSECRET_KEY_VERSION="+version+"\n")
		d := &Desired{Secrets: []SecretSpec{{Key: "key", Name: r.stack + "_key_" + version, Version: version}, {Key: "shared", Name: "shared_v1", Version: "v1"}}}
		if _, err := r.PlanRotation(t.Context(), app, d, []string{"key"}, false); says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("version %q: %v", version, err)
		}
		if _, err := r.PlanRotation(t.Context(), app, d, []string{"shared"}, false); fault.KindOf(err) != fault.Usage {
			t.Errorf("another stack's secret: %v", err)
		}
		if _, err := r.PlanRotation(t.Context(), app, d, []string{"none"}, false); fault.KindOf(err) != fault.Usage || fault.HintOf(err) != "it has key, shared" {
			t.Errorf("no such secret: %v", err)
		}
	}
}

// A child that rotates kills itself at a moment that its parent names.
const (
	childMoment = "GALLEY_TEST_CHILD_MOMENT"
	childFile   = "GALLEY_TEST_CHILD_FILE"
)

func TestChildRotates(t *testing.T) {
	moment := os.Getenv(childMoment)
	if moment == "" {
		return // it is the parent's run
	}
	l := &lab{host: os.Getenv(childHost), registry: &localregistry.Registry{Addr: os.Getenv(childRegistry)}}
	image, err := l.resolve(t.Context(), "app:1")
	if err != nil {
		t.Fatal(err)
	}
	e, err := open(t.Context(), "test", l.host, []client.Opt{client.WithHost(l.host)})
	if err != nil {
		t.Fatal(err)
	}
	domain := os.Getenv(childDomain)
	r := &rig{Engine: e, t: t, lab: l, domain: domain, stack: StackName(domain), images: []catalogue.Image{image}}
	_, _, err = r.rotates(os.Getenv(childFile), compose("1"), "", func(e Event) {
		if e.Message == moment || e.Stage == moment {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	t.Fatalf("it was not killed: %v", err)
}

func (r *rig) killRotating(file, moment string) {
	r.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	child := exec.Command(binary, "-test.run=^TestChildRotates$", "-test.timeout=5m")
	child.Env = append(os.Environ(), "TMPDIR="+r.t.TempDir(), childHost+"="+r.lab.host, childRegistry+"="+r.lab.registry.Addr, childDomain+"="+r.domain, childMoment+"="+moment, childFile+"="+file)
	said, err := child.CombinedOutput()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		r.t.Fatalf("the child was not killed at %q: %v: %s", moment, err, said)
	}
}

func TestKilledRotationIsFinishedByTheNext(t *testing.T) {
	r := newRig(t, "rotatekill")
	app := r.rotatingApp()
	if err := r.CreateSecret(t.Context(), r.stack, r.stack+"_key_v1", []byte("first")); err != nil {
		t.Fatal(err)
	}
	r.converges(r.desiredFor(app, compose("1")))
	r.staleAfter = time.Second
	finish := func(value, version string) {
		t.Helper()
		var o Outcome
		r.eventually("the rotation", func() bool {
			var err error
			o, _, err = r.rotates(app.Path, compose("1"), value, r.see)
			if err != nil && !strings.Contains(err.Error(), "is locked by") {
				t.Fatal(err)
			}
			return err == nil
		})
		r.ends(o, Converged, StateNew)
		r.hasSecrets(app.Path, version, version)
		r.noRecords(recordLock, recordJournal)
	}
	t.Log("nothing uses the new one: it is made anew")
	r.killRotating(app.Path, saidMade)
	r.hasSecrets(app.Path, "v1", "v1", "v2")
	finish("", "v2")

	t.Log("the env file is raised: it is gone on with")
	r.killRotating(app.Path, saidRaised)
	finish("", "v3")

	t.Log("in the middle of the deploy")
	r.killRotating(app.Path, "watch")
	finish("", "v4")

	t.Log("it runs, and the old one is there: a value of one's own is another version still")
	r.killRotating(app.Path, saidRuns)
	r.hasSecrets(app.Path, "v5", "v4", "v5")
	finish("mine", "v6")
}
