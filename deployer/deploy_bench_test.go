package deployer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/recipe"
)

// bench is an engine of its own for a benchmark, with the test app in a registry.
type bench struct {
	*Engine
	b   *testing.B
	lab *lab
}

func newBench(b *testing.B) *bench {
	b.Helper()
	node := engine.StartT(b, engine.Options{Swarm: true})
	l := &lab{node: node, host: node.Host()}
	var err error
	if l.binary, err = buildApp(b.TempDir()); err != nil {
		b.Fatal(err)
	}
	if l.registry, err = localregistry.Start(localregistry.WithAddr(node.BridgeAddr() + ":0")); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.registry.Close() })
	for _, tag := range versions {
		image, err := l.push("app", tag, tag)
		if err != nil {
			b.Fatal(err)
		}
		l.images = append(l.images, image)
	}
	e, err := open(b.Context(), "bench", l.host, []client.Opt{client.WithHost(l.host)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	version, api := node.Version()
	b.Logf("engine %s, API %s", version, api)
	return &bench{Engine: e, b: b, lab: l}
}

// benchServices are n services as recipes have them: the monitor time is swarm's own.
func (x *bench) benchServices(n int, version string) string {
	text := strings.ReplaceAll(services(n, version), "APP:", x.lab.registry.Addr+"/app:")
	return strings.NewReplacer("monitor: 1s, ", "", "      rollback_config: {monitor: 1s}\n", "").Replace(text)
}

func (x *bench) desired(domain, version, compose string) *Desired {
	x.b.Helper()
	files := fstest.MapFS{"compose.yml": {Data: []byte(compose)}, "conf.txt": {Data: []byte("conf\n")}}
	r, err := recipe.Load(files, recipe.Options{})
	if err != nil {
		x.b.Fatal(err)
	}
	dir := x.b.TempDir()
	path := filepath.Join(dir, "servers", "default", domain+".env")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		x.b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("TYPE=test\nDOMAIN="+domain+"\nCONF_VERSION=v1\n"), 0o600); err != nil {
		x.b.Fatal(err)
	}
	app, err := Dir{dir}.Find(domain, "")
	if err != nil {
		x.b.Fatal(err)
	}
	d, err := NewDesired(x.b.Context(), Input{App: app, Recipe: r, Entry: &catalogue.Entry{Version: version, Images: x.lab.images}})
	if err != nil {
		x.b.Fatal(err)
	}
	return d
}

// deploy deploys what must converge, and says how long it took, and how long after
// the last task was up and the monitor time over it ended.
func (x *bench) deploy(d *Desired) (took, lag time.Duration) {
	x.b.Helper()
	start := time.Now()
	o, err := x.Deploy(x.b.Context(), d, nil, DeployOptions{})
	end := time.Now()
	if err != nil || o.Verdict != Converged {
		x.b.Fatalf("%s: %s (%v)", o.Verdict, o.Reason, err)
	}
	current, err := x.Current(x.b.Context(), d.Stack.Name, nil)
	if err != nil {
		x.b.Fatal(err)
	}
	tasks, err := x.tasksOf(x.b.Context(), current)
	if err != nil {
		x.b.Fatal(err)
	}
	var up time.Time
	for i := range tasks {
		if isUp(&tasks[i], false) {
			up = later(up, changedAt(&tasks[i]))
		}
	}
	return end.Sub(start), end.Sub(up) - defaultMonitor
}

func (x *bench) undeploy(stack string) {
	x.b.Helper()
	if _, err := x.Undeploy(x.b.Context(), stack, nil); err != nil {
		x.b.Fatal(err)
	}
	if err := x.Forget(x.b.Context(), stack); err != nil {
		x.b.Fatal(err)
	}
}

// docker runs `docker stack deploy` as its users who want a verdict do.
func (x *bench) docker(stack, compose string) time.Duration {
	x.b.Helper()
	path, err := filepath.Abs(filepath.Join("..", "build", "docker28", "docker"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		x.b.Fatalf("%v: .ci/docker28 cli builds it", err)
	}
	dir := x.b.TempDir()
	for name, text := range map[string]string{"compose.yml": "version: \"3.13\"\n" + compose, "conf.txt": "conf\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			x.b.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(x.b.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "stack", "deploy", "--detach=false", "-c", "compose.yml", stack)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "DOCKER_HOST=" + x.lab.host, "STACK_NAME=" + stack, "CONF_VERSION=v1"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		x.b.Fatalf("docker stack deploy: %v: %s", err, out.String())
	}
	return time.Since(start)
}

// BenchmarkDeployTen deploys ten services, fresh and as an update, with galley and
// with docker's client: the same files on the same engine, one after the other.
func BenchmarkDeployTen(b *testing.B) {
	x := newBench(b)
	const domain = "ten.example.org"
	stack := StackName(domain)
	old, next := x.benchServices(10, "1"), x.benchServices(10, "2")
	first, second := x.desired(domain, "1.0.0+1", old), x.desired(domain, "1.0.0+2", next)
	for b.Loop() {
		fresh, freshLag := x.deploy(first)
		update, updateLag := x.deploy(second)
		same, _ := x.deploy(second)
		x.undeploy(stack)
		dockerFresh, dockerUpdate := x.docker(stack, old), x.docker(stack, next)
		x.undeploy(stack)
		for unit, value := range map[string]float64{
			"s-fresh": fresh.Seconds(), "s-update": update.Seconds(), "s-unchanged": same.Seconds(),
			"s-fresh-after-monitor": freshLag.Seconds(), "s-update-after-monitor": updateLag.Seconds(),
			"s-docker-fresh": dockerFresh.Seconds(), "s-docker-update": dockerUpdate.Seconds(),
			"of-docker-fresh": fresh.Seconds() / dockerFresh.Seconds(), "of-docker-update": update.Seconds() / dockerUpdate.Seconds(),
		} {
			b.ReportMetric(value, unit)
		}
	}
}

// BenchmarkPlan50 reads a stack of fifty services, half of them changed, and plans.
func BenchmarkPlan50(b *testing.B) {
	x := newBench(b)
	const domain = "fifty.example.org"
	compose := strings.ReplaceAll(x.benchServices(50, "1"), "replicas: 1", "replicas: 0")
	x.deploy0(x.desired(domain, "1.0.0+1", compose))
	for b.Loop() {
		next := x.desired(domain, "1.0.0+2", strings.Replace(compose, "/app:1", "/app:2", 25))
		current, err := x.Current(b.Context(), next.Stack.Name, next.Stack)
		if err != nil {
			b.Fatal(err)
		}
		plan, err := NewPlan(next, current)
		if err != nil || plan.Empty() {
			b.Fatalf("empty %v, error %v", plan.Empty(), err)
		}
	}
}

// deploy0 deploys services that have no replicas.
func (x *bench) deploy0(d *Desired) {
	x.b.Helper()
	if o, err := x.Deploy(x.b.Context(), d, nil, DeployOptions{}); err != nil || o.Verdict != Converged {
		x.b.Fatalf("%s: %s (%v)", o.Verdict, o.Reason, err)
	}
}

// BenchmarkStatus100 reads the status of a hundred stacks with a full history each.
func BenchmarkStatus100(b *testing.B) {
	x := newBench(b)
	const apps = 100
	for i := range apps {
		stack := fmt.Sprintf("app%d_example_org", i)
		spec := swarm.ServiceSpec{
			Annotations:  swarm.Annotations{Name: stack + "_app", Labels: map[string]string{NamespaceLabel: stack}},
			TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: x.lab.images[0].Reference}},
			Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64)}},
		}
		if _, err := x.api.ServiceCreate(b.Context(), spec, swarm.ServiceCreateOptions{}); err != nil {
			b.Fatal(err)
		}
		for range KeptRecords {
			r := Record{Verdict: Converged, State: StateNew, Recipe: "app", Plan: strings.Repeat("a plan's summary ", 30), Entry: strings.Repeat("e", 64)}
			if err := x.remember(b.Context(), stack, r); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		all, err := x.Statuses(b.Context(), nil)
		if err != nil || len(all) != apps {
			b.Fatalf("%d stacks, error %v", len(all), err)
		}
	}
}
