package deployer

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"

	"github.com/galley-coop/galley/internal/fault"
)

// carrierDir has the program that helpers run; TestMain removes it.
var carrierDir string

// carryingGalley builds galley as releases do, once, and has helpers run it: a program of
// tests does not start where there is no other file.
var carryingGalley = sync.OnceValue(func() error {
	var err error
	if carrierDir, err = os.MkdirTemp("", "test-galley-carrier-"); err != nil {
		return err
	}
	path := filepath.Join(carrierDir, "galley")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "../cmd/galley")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building galley: %w: %s", err, out)
	}
	return os.Setenv(CarrierVariable, path)
})

// helper is the connected node, ready for helpers.
func (r *rig) helper() *Carrier {
	r.t.Helper()
	if err := carryingGalley(); err != nil {
		r.t.Fatal(err)
	}
	c, err := r.Carrier(r.t.Context(), "")
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// volume makes a volume of the test's own, which is removed at its end.
func (r *rig) volume(key string) string {
	r.t.Helper()
	name := r.stack + "_" + key
	if err := r.MakeVolume(r.t.Context(), r.stack, r.NodeID, Volume{Name: name, Options: volume.CreateOptions{}}); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := r.RemoveVolume(context.Background(), r.NodeID, name); err != nil {
			r.t.Error(err)
		}
	})
	return name
}

// carriers are the helpers' containers and services that work for the stack.
func (r *rig) carriers() []string {
	r.t.Helper()
	own := filters.NewArgs(filters.Arg("label", labelCarrier+"="+r.stack))
	containers, err := r.api.ContainerList(r.t.Context(), container.ListOptions{All: true, Filters: own})
	services, errServices := r.api.ServiceList(r.t.Context(), swarm.ServiceListOptions{Filters: own})
	if err := cmp.Or(err, errServices); err != nil {
		r.t.Fatal(err)
	}
	names := []string{}
	for _, c := range containers {
		names = append(names, "container "+c.ID)
	}
	for _, s := range services {
		names = append(names, "service "+s.Spec.Name)
	}
	return names
}

// noCarriers waits until no helper is left: a container is gone a moment after its end.
func (r *rig) noCarriers() {
	r.t.Helper()
	r.eventually("the helpers' end", func() bool { return len(r.carriers()) == 0 })
}

func TestCarrier(t *testing.T) {
	r := newRig(t, "carrier")
	c := r.helper()
	data := r.volume("data")
	at := []CarryVolume{{Name: data, Target: "/volume"}}
	run := func(o CarryOptions) (string, string, int, error) {
		var out, said bytes.Buffer
		o.Stack, o.Volumes, o.Stdout, o.Log = r.stack, at, &out, &said
		code, err := c.Run(t.Context(), o)
		return out.String(), said.String(), code, err
	}

	t.Log("what goes in comes out")
	var in bytes.Buffer
	w := tar.NewWriter(&in)
	_ = w.WriteHeader(&tar.Header{Name: "file", Mode: 0o640, Uid: 33, Gid: 34, Size: 5})
	_, _ = w.Write([]byte("hello"))
	_ = w.Close() // a buffer takes all
	if _, said, code, err := run(CarryOptions{Args: []string{"unpack", "/volume"}, Stdin: bytes.NewReader(in.Bytes())}); err != nil || code != 0 || !strings.Contains(said, `"files":`) {
		t.Fatalf("unpack: %d, %v: %s", code, err, said)
	}
	out, said, code, err := run(CarryOptions{Args: []string{"pack", "/volume"}})
	if err != nil || code != 0 {
		t.Fatalf("pack: %d, %v: %s", code, err, said)
	}
	found := ""
	for archive := tar.NewReader(strings.NewReader(out)); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h.Name, "file") {
			content, _ := io.ReadAll(archive)
			found = fmt.Sprintf("%s of %d:%d, %o", content, h.Uid, h.Gid, h.Mode)
		}
	}
	if found != "hello of 33:34, 640" {
		t.Errorf("the file is %q", found)
	}

	t.Log("its failures are told")
	if _, said, code, err := run(CarryOptions{Args: []string{"pack", "/volume", "nowhere"}}); err != nil || code == 0 || !strings.Contains(said, "nowhere") {
		t.Errorf("a path that is not there: %d, %v: %s", code, err, said)
	}
	broken := errors.New("the source broke")
	if _, _, _, err := run(CarryOptions{Args: []string{"unpack", "/volume"}, Stdin: io.MultiReader(bytes.NewReader(in.Bytes()[:600]), breaking{broken})}); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
	full := errors.New("nobody takes it")
	_, err = c.Run(t.Context(), CarryOptions{Stack: r.stack, Args: []string{"pack", "/volume"}, Volumes: at, Stdout: breaking{full}})
	if !errors.Is(err, full) {
		t.Errorf("a sink that fails: %v", err)
	}
	_, err = c.Run(t.Context(), CarryOptions{Stack: r.stack, Args: []string{"pack", "/volume"}, Volumes: []CarryVolume{{Name: r.stack + "_none", Target: "/volume"}}})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "has no volume") {
		t.Errorf("a volume that is not there: %v", err)
	}
	r.noCarriers()

	t.Log("and it ends when nobody wants it any more")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := c.Run(ctx, CarryOptions{Stack: r.stack, Args: []string{"wait"}})
		ended <- err
	}()
	r.eventually("the helper", func() bool { return len(r.carriers()) == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	r.noCarriers()
}

// breaking is a reader and a writer that fails.
type breaking struct{ err error }

func (f breaking) Read([]byte) (int, error)  { return 0, f.err }
func (f breaking) Write([]byte) (int, error) { return 0, f.err }

// TestCarrierIsConfined looks at a helper while it runs.
func TestCarrierIsConfined(t *testing.T) {
	r := newRig(t, "confined")
	c := r.helper()
	data := r.volume("data")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, _ = c.Run(ctx, CarryOptions{Stack: r.stack, Args: []string{"wait"}, Volumes: []CarryVolume{{Name: data, Target: "/volume", ReadOnly: true}}})
	}()
	r.eventually("the helper", func() bool { return len(r.carriers()) == 1 })
	_, id, _ := strings.Cut(r.carriers()[0], " ")
	var got container.InspectResponse
	r.eventually("its start", func() bool {
		var err error
		got, err = r.api.ContainerInspect(t.Context(), id)
		return err == nil && got.State.Running
	})
	h := got.HostConfig
	if !h.ReadonlyRootfs || h.NetworkMode != "none" || h.Privileged || !slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Contains(h.SecurityOpt, "no-new-privileges") ||
		h.LogConfig.Type != "none" || !h.AutoRemove || len(got.Mounts) != 1 || got.Mounts[0].RW || got.Image != c.image {
		t.Errorf("it is %s", asJSON(t, got))
	}
	cancel()
	r.noCarriers()
}

func TestSecretValues(t *testing.T) {
	r := newRig(t, "values")
	c := r.helper()
	const marker = "a value that must be nowhere else"
	values := map[string][]byte{
		r.stack + "_text_v1": []byte(marker + "\n"), r.stack + "_binary_v1": {0, 1, 2, 255, 254, '\n', 0}, r.stack + "_long_v1": bytes.Repeat([]byte("x"), 500<<10-12),
	}
	names := sortedKeys(values)
	for _, name := range names {
		if err := r.CreateSecret(t.Context(), r.stack, name, values[name]); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.RemoveSecretNamed(context.Background(), name) })
	}
	watched := r.watchCarriers()
	got, err := r.SecretValues(t.Context(), r.stack, names)
	specs := watched()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !bytes.Equal(got[name], values[name]) {
			t.Errorf("%s has %d bytes, expected %d", name, len(got[name]), len(values[name]))
		}
	}
	if !strings.Contains(specs, "_text_v1") || strings.Contains(specs, marker) {
		t.Errorf("what the swarm had of the helper: %s", specs)
	}
	r.noCarriers()

	t.Log("nothing is asked for nothing, and what is not there is told")
	if got, err := r.SecretValues(t.Context(), r.stack, nil); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	_, err = r.SecretValues(t.Context(), r.stack, []string{names[0], r.stack + "_none_v1"})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), `there is no secret "`+r.stack+`_none_v1"`) {
		t.Errorf("%v", err)
	}

	t.Log("interrupted, it leaves nothing")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.SecretValues(ctx, r.stack, names)
		done <- err
	}()
	r.eventually("the helper's service", func() bool { return len(r.carriers()) > 0 })
	cancel()
	if err := <-done; err == nil {
		t.Error("interrupted, it has the values")
	}
	r.noCarriers()

	t.Log("and what was left of one that was killed is swept")
	r.sweepsCarriers(c)
}

// watchCarriers gathers what the swarm tells of the stack's helpers until it is stopped:
// services, tasks and containers as everybody can inspect them.
func (r *rig) watchCarriers() (stop func() string) {
	var all strings.Builder
	ctx, cancel := context.WithCancel(r.t.Context())
	over := make(chan struct{})
	own := filters.NewArgs(filters.Arg("label", labelCarrier+"="+r.stack))
	tell := func(what ...any) {
		text, _ := json.Marshal(what) // they came as JSON
		all.Write(text)
	}
	go func() {
		defer close(over)
		for ctx.Err() == nil && all.Len() < 64<<20 {
			services, _ := r.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: own})
			for _, s := range services {
				tasks, _ := r.api.TaskList(ctx, taskListOf(s.ID))
				tell(s, tasks)
			}
			containers, _ := r.api.ContainerList(ctx, container.ListOptions{All: true, Filters: own})
			for _, c := range containers {
				whole, _ := r.api.ContainerInspect(ctx, c.ID)
				tell(whole)
			}
			_ = pause(ctx, 20*time.Millisecond)
		}
	}()
	return func() string {
		cancel()
		<-over
		return all.String()
	}
}

// sweepsCarriers makes a helper's service as a galley that was killed leaves it.
func (r *rig) sweepsCarriers(c *Carrier) {
	r.t.Helper()
	id, err := c.secretTask(r.t.Context(), r.stack, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer r.removeCarrier(r.t.Context(), id)
	r.sweepCarriers(r.t.Context())
	if len(r.carriers()) == 0 {
		r.t.Fatal("one of a galley that lives was removed")
	}
	dead, err := json.Marshal(Holder{Owner: Operator(), PID: os.Getpid(), Process: processMark() + "0"}) // another start
	if err != nil {
		r.t.Fatal(err)
	}
	service, _, err := r.api.ServiceInspectWithRaw(r.t.Context(), id, swarm.ServiceInspectOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	service.Spec.Labels[labelCarrierBy] = string(dead)
	r.change(id, service.Version, service.Spec)
	r.sweepCarriers(r.t.Context())
	r.noCarriers()
}

// TestWhoTakesTheLockEndsWhatWrites starts a helper that writes into a volume, and one that
// reads it, and goes on in another galley.
func TestWhoTakesTheLockEndsWhatWrites(t *testing.T) {
	r := newRig(t, "orphans")
	c := r.helper()
	data := r.volume("data")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := map[bool]chan error{}
	for _, readOnly := range []bool{false, true} {
		end := make(chan error, 1)
		ended[readOnly] = end
		go func() {
			o := CarryOptions{Stack: r.stack, Args: []string{"wait"}, Volumes: []CarryVolume{{Name: data, Target: "/volume", ReadOnly: readOnly}}}
			_, err := c.Run(ctx, o)
			end <- err
		}()
	}
	r.eventually("the helpers", func() bool { return len(r.carriers()) == 2 })
	hold, err := r.Hold(t.Context(), r.stack, HoldOptions{Reason: "a restore"})
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close(t.Context())
	<-ended[false]
	if left := r.carriers(); len(left) != 1 {
		t.Errorf("the lock is taken, and there are %q", left)
	}
	select {
	case err := <-ended[true]:
		t.Errorf("one that only reads was ended: %v", err)
	default:
	}
	cancel()
	<-ended[true]
	r.noCarriers()
}
