package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// probeImage builds the probe, puts it into an image in a registry on the engine's
// link, and returns its reference with the digest.
func probeImage(t *testing.T, e *Engine) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(e.BridgeAddr(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	ref, err := name.ParseReference(l.Addr().String() + "/probe:1")
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(probeLayer(t), types.DockerUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, withConfig(t, img, e.Arch()))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithContext(testContext(t))); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return ref.Name() + "@" + digest.String()
}

func withConfig(t *testing.T, img v1.Image, arch string) *v1.ConfigFile {
	t.Helper()
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg.OS, cfg.Architecture = "linux", arch
	cfg.Config.Entrypoint = []string{"/probe"}
	return cfg
}

// probeLayer is a tar archive with the static binary.
func probeLayer(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	bin, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err = w.WriteHeader(&tar.Header{Name: "probe", Mode: 0o755, Size: int64(len(bin))})
	if err == nil {
		_, err = w.Write(bin)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// probe is a service of the probe's image, with its network.
type probe struct {
	id, net string
	port    uint32
}

func probeSpec(name, image, network string, mode swarm.PortConfigPublishMode, port uint32) swarm.ServiceSpec {
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image: image,
				User:  "1000",
				Healthcheck: &container.HealthConfig{
					Test:     []string{"CMD", "/probe", "health"},
					Interval: 200 * time.Millisecond,
				},
			},
			Networks: []swarm.NetworkAttachmentConfig{{Target: network}},
		},
		EndpointSpec: &swarm.EndpointSpec{Ports: []swarm.PortConfig{
			{TargetPort: 8080, PublishedPort: port, PublishMode: mode},
		}},
	}
}

var port = uint32(20000)

// runProbe creates an overlay network and a service on it, and waits until its task
// runs, which is when it is healthy.
func runProbe(t *testing.T, e *Engine, mode swarm.PortConfigPublishMode) probe {
	t.Helper()
	c := dial(t, e)
	ctx := testContext(t)
	image := probeImage(t, e)
	port++
	p := probe{port: port}
	net, err := c.NetworkCreate(ctx, fmt.Sprintf("net%d", port), network.CreateOptions{Driver: "overlay"})
	if err != nil {
		t.Fatal(err)
	}
	p.net = net.ID
	svc, err := c.ServiceCreate(ctx, probeSpec(fmt.Sprintf("probe%d", port), image, p.net, mode, port), swarm.ServiceCreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.id = svc.ID
	eventually(t, "the service", func(ctx context.Context) error { return running(ctx, c, svc.ID) })
	return p
}

func dial(t *testing.T, e *Engine) *client.Client {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func running(ctx context.Context, c *client.Client, service string) error {
	tasks, err := c.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("service", service))})
	if err != nil {
		return err
	}
	var states []string
	for _, task := range tasks {
		if task.Status.State == swarm.TaskStateRunning {
			return nil
		}
		states = append(states, fmt.Sprintf("%s %s", task.Status.State, task.Status.Err))
	}
	return fmt.Errorf("its tasks are %q", states)
}

// remove takes the probe off the engine, and waits until its network lets go.
func (p probe) remove(t *testing.T, c *client.Client) {
	t.Helper()
	if err := c.ServiceRemove(testContext(t), p.id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "removing the probe's network", func(ctx context.Context) error {
		return c.NetworkRemove(ctx, p.net)
	})
}

func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// eventuallyFetch polls url until its answer contains want.
func eventuallyFetch(t *testing.T, url, want string) {
	t.Helper()
	eventually(t, url, func(ctx context.Context) error {
		got, err := fetch(ctx, url)
		if err == nil && !strings.Contains(got, want) {
			err = fmt.Errorf("it answers %q, want %q in it", got, want)
		}
		return err
	})
}

func TestService(t *testing.T) {
	e := shared.Get(t)
	c := dial(t, e)
	p := runProbe(t, e, swarm.PortConfigPublishModeHost)
	defer p.remove(t, c)
	base := fmt.Sprintf("http://%s:%d", e.NodeAddr(), p.port)
	eventuallyFetch(t, base+"/", "uid 1000")
	self := fmt.Sprintf("probe%d", p.port)
	eventuallyFetch(t, base+"/lookup?name="+self, "10.")
	eventuallyFetch(t, base+"/lookup?name=tasks."+self, "10.")
	eventuallyFetch(t, base+"/get?url="+url.QueryEscape("http://tasks."+self+":8080/"), "uid 1000")
}

// TestIngress publishes a port through the routing mesh. Kernels without IPVS accept
// and run such a service, but nothing answers at its port and its virtual address.
func TestIngress(t *testing.T) {
	e := shared.Get(t)
	c := dial(t, e)
	p := runProbe(t, e, swarm.PortConfigPublishModeIngress)
	defer p.remove(t, c)
	if !e.Balances() {
		t.Log("this kernel has no IPVS: the port is published, but not routed")
		return
	}
	base := fmt.Sprintf("http://%s:%d", e.NodeAddr(), p.port)
	eventuallyFetch(t, base+"/", "uid 1000")
	eventuallyFetch(t, base+"/get?url="+url.QueryEscape(fmt.Sprintf("http://probe%d:8080/", p.port)), "uid 1000")
}

// TestNoWayOut holds that an engine reaches its owner and nothing else.
func TestNoWayOut(t *testing.T) {
	e := shared.Get(t)
	out, err := run(testContext(t), "nsenter", "--target", strconv.Itoa(e.rec.Init.PID), "--net",
		"ip", "-4", "route", "show", "default")
	if err != nil {
		t.Fatal(err)
	}
	if out != "" {
		t.Errorf("the engine has a default route: %q", out)
	}
}

func TestEngineInventory(t *testing.T) {
	e := shared.Get(t)
	c, ctx := dial(t, e), testContext(t)
	before := engineInventory(t, e)
	p := runProbe(t, e, swarm.PortConfigPublishModeHost)
	secret, err := c.SecretCreate(ctx, swarm.SecretSpec{Annotations: swarm.Annotations{Name: "s"}, Data: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	config, err := c.ConfigCreate(ctx, swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "c"}, Data: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.VolumeCreate(ctx, volume.CreateOptions{Name: "vol"}); err != nil {
		t.Fatal(err)
	}
	during := engineInventory(t, e)
	for _, want := range []string{
		"service " + p.id, "network " + p.net, "secret " + secret.ID, "config " + config.ID, "volume vol", "container ",
	} {
		added := Left(before, during)
		if !slices.ContainsFunc(added, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("no line begins with %q: %q", want, added)
		}
	}
	p.remove(t, c)
	for _, err := range []error{c.SecretRemove(ctx, secret.ID), c.ConfigRemove(ctx, config.ID), c.VolumeRemove(ctx, "vol", false)} {
		if err != nil {
			t.Error(err)
		}
	}
	// docker_gwbridge comes with the first service, and stays until the engine goes.
	eventually(t, "left on the engine", func(context.Context) error {
		left := slices.DeleteFunc(Left(before, engineInventory(t, e)), func(line string) bool {
			return strings.HasSuffix(line, " docker_gwbridge")
		})
		if len(left) > 0 {
			return fmt.Errorf("%q", left)
		}
		return nil
	})
}

func engineInventory(t *testing.T, e *Engine) []string {
	t.Helper()
	lines, err := EngineInventory(testContext(t), e.Host())
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
