package nodes

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/fault"
)

// shellOn is a service with a shell and a volume on one node. Both nodes' volumes go by
// one name.
func shellOn(name, host string) string {
	return "  " + name + ":\n    image: APP\n    volumes: [\"data:/data\"]\n    stop_grace_period: 1s\n    deploy:\n" +
		"      placement: {constraints: [node.hostname == " + host + "]}\n      update_config: {monitor: 1s}\n"
}

// TestReachingIntoAWorker looks into the containers and the volumes of a worker that
// the nodes file names, beside one that it does not.
func TestReachingIntoAWorker(t *testing.T) {
	r := newRig(t, "reach")
	home, named, other := r.cluster.Node("manager1"), r.cluster.Node("worker1"), r.cluster.Node("worker2")
	e := r.connect(home.Host(), named.Host())
	o := r.converges(e, r.desired(shell, shellOn("app", "worker1")+shellOn("far", "worker2")+"volumes:\n  data:\n"))
	if o.Observed != 1 || o.Requested != 1 || len(o.NotReached) != 1 || o.NotReached[0].Name != "worker2" {
		t.Errorf("%d containers observed, %d requested, not reached %+v; want worker2", o.Observed, o.Requested, o.NotReached)
	}
	t.Run("a command", func(t *testing.T) { r.runsACommand(t, e) })
	t.Run("files", func(t *testing.T) { r.copiesFiles(t, e) })
	t.Run("volumes", func(t *testing.T) { r.listsVolumes(t, e) })
	t.Run("purge", func(t *testing.T) { r.purges(t, e, home, named, other) })
}

// execs runs a command in the service on worker1.
func (r *rig) execs(e *deployer.Engine, stdin, script string) (out string, code int) {
	r.t.Helper()
	c, err := e.Inside(r.t.Context(), r.stack, "app", 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if c.Node != "worker1" {
		r.t.Errorf("the container is on node %q, want worker1", c.Node)
	}
	var stdout, stderr bytes.Buffer
	code, err = c.Exec(r.t.Context(), deployer.ExecOptions{Command: []string{"sh", "-c", script}, Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr})
	if err != nil || stderr.Len() > 0 {
		r.t.Fatalf("%v, %q", err, stderr.String())
	}
	return stdout.String(), code
}

func (r *rig) runsACommand(t *testing.T, e *deployer.Engine) {
	defer r.within(t)()
	if out, code := r.execs(e, "noted", "cat >/data/note; cat /data/note; exit 3"); out != "noted" || code != 3 {
		t.Errorf("it wrote %q and ended with %d", out, code)
	}
	_, err := e.Inside(t.Context(), r.stack, "far", 0)
	if err == nil || fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), `"worker2"`) || !strings.Contains(fault.HintOf(err), "servers/"+server+"/nodes") {
		t.Errorf("%v (%s), want one that names worker2 and the nodes file", err, fault.HintOf(err))
	}
}

func (r *rig) copiesFiles(t *testing.T, e *deployer.Engine) {
	defer r.within(t)()
	c, err := e.Inside(t.Context(), r.stack, "app", 0)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := c.CopyOut(t.Context(), "/data/note", dir, deployer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "note")
	if text, err := os.ReadFile(path); err != nil || string(text) != "noted" {
		t.Errorf("copied out: %q, %v", text, err)
	}
	if err := os.WriteFile(path, []byte("answered"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CopyIn(t.Context(), path, "/data/answer", deployer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if out, _ := r.execs(e, "", "cat /data/answer"); out != "answered" {
		t.Errorf("copied in: %q", out)
	}
}

func (r *rig) listsVolumes(t *testing.T, e *deployer.Engine) {
	defer r.within(t)()
	volumes, err := e.Volumes(t.Context(), r.stack, true)
	if err != nil || len(volumes) != 2 {
		t.Fatalf("%+v, %v; want the volume of each worker", volumes, err)
	}
	users := []string{r.stack + "_app", r.stack + "_far"}
	for i, want := range []struct {
		node, driver string
		observed     bool
	}{{"worker1", "local", true}, {"worker2", "", false}} {
		v := volumes[i]
		if v.Name != r.stack+"_data" || v.Node != want.node || v.Driver != want.driver || v.Observed != want.observed || v.External || !slices.Equal(v.UsedBy, users) || (v.Size > 0) != want.observed {
			t.Errorf("%+v, want %+v", v, want)
		}
	}
}

// purges purges twice: what the first could not ask stays and is named.
func (r *rig) purges(t *testing.T, e *deployer.Engine, home, named, other *engine.Node) {
	defer r.within(t)()
	name := r.stack + "_data"
	on1, on2 := deployer.VolumeAt{Volume: name, Node: "worker1", Observed: true}, deployer.VolumeAt{Volume: name, Node: "worker2"}
	left, purged, err := e.UndeployAndPurge(t.Context(), r.stack, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(left.Elsewhere, []deployer.VolumeAt{on2}) || !slices.Equal(purged.Elsewhere, []deployer.VolumeAt{on1}) ||
		len(purged.Volumes)+len(purged.Remains) > 0 || !slices.Equal(purged.NotAsked, []string{"manager2", "manager3", "worker2"}) {
		t.Errorf("left %+v, purged %+v", left, purged)
	}
	if r.hasVolume(named, name) || !r.hasVolume(other, name) {
		t.Error("want the volume gone from worker1, and there on worker2")
	}

	e = r.connect(home.Host(), r.others(home)...)
	remains, err := e.Remains(t.Context(), r.stack, nil)
	remains = slices.DeleteFunc(remains, func(line string) bool { return strings.HasPrefix(line, "container ") }) // it may not be gone yet
	if err != nil || !slices.Equal(remains, []string{"volume " + name + " on node worker2"}) {
		t.Errorf("what remains is %q, %v", remains, err)
	}
	on2.Observed = true
	left, purged, err = e.UndeployAndPurge(t.Context(), r.stack, nil, nil)
	if err != nil || len(left.Elsewhere)+len(purged.Volumes)+len(purged.Remains)+len(purged.NotAsked) > 0 || !slices.Equal(purged.Elsewhere, []deployer.VolumeAt{on2}) {
		t.Errorf("left %+v, purged %+v, %v", left, purged, err)
	}
	if r.hasVolume(other, name) {
		t.Error("the volume is still on worker2")
	}
}

func (r *rig) hasVolume(n *engine.Node, name string) bool {
	r.t.Helper()
	_, err := r.swarmOf(n).VolumeInspect(r.t.Context(), name)
	if err != nil && !errdefs.IsNotFound(err) {
		r.t.Fatal(err)
	}
	return err == nil
}
