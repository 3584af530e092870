package nodes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/recipe"
)

var shared engine.SharedCluster

func TestMain(m *testing.M) {
	flag.Parse()
	code := shared.Main(m)
	if theLab.registry != nil {
		_ = theLab.registry.Close()
	}
	os.Exit(code)
}

// lab is what the tests share: the cluster, and a registry on its network that wants
// a login, with the test app in it.
type lab struct {
	once     sync.Once
	err      error
	cluster  *engine.Cluster
	registry *localregistry.Registry
	images   []catalogue.Image
}

var theLab lab

const user, password = "me", "hunter2"

// private is the tag of an image that nobody ever deploys with a login: no node has it.
const private = "4"

// shell is the tag of an image with a shell in the place of the test app.
const shell = "shell"

func useLab(t *testing.T) *lab {
	t.Helper()
	c := shared.Get(t)
	theLab.once.Do(func() { theLab.err = theLab.start(t, c) })
	if theLab.err != nil {
		t.Fatal(theLab.err)
	}
	return &theLab
}

func (l *lab) start(t *testing.T, c *engine.Cluster) (err error) {
	l.cluster = c
	l.registry, err = localregistry.Start(localregistry.WithAddr(c.BridgeAddr()+":0"), localregistry.WithBasicAuth(user, password))
	if err != nil {
		return err
	}
	path := filepath.Join(t.TempDir(), "app")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "../../deployer/testdata/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the test app: %w: %s", err, out)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	platform := "linux/" + c.Nodes()[0].Arch()
	for _, tag := range []string{"1", "2", "3", private, shell} {
		img, err := localregistry.BinaryImage(binary, platform, func(c *v1.Config) { c.Labels = map[string]string{"seed": tag} })
		if tag == shell {
			img, err = localregistry.ShellImage(platform, nil)
		}
		if err != nil {
			return err
		}
		image, err := l.push(img, platform, tag)
		if err != nil {
			return err
		}
		l.images = append(l.images, image)
	}
	return nil
}

// push puts an index with one image under a tag.
func (l *lab) push(img v1.Image, platform, tag string) (image catalogue.Image, err error) {
	index, err := localregistry.Index(map[string]v1.Image{platform: img})
	if err != nil {
		return image, err
	}
	if err := l.registry.Push(context.Background(), "app:"+tag, index); err != nil {
		return image, err
	}
	whole, err := index.Digest()
	if err != nil {
		return image, err
	}
	manifest, err := img.Digest()
	if err != nil {
		return image, err
	}
	config, err := img.ConfigName()
	return catalogue.Image{
		Reference: l.registry.Addr + "/app:" + tag, Digest: whole.String(),
		Platforms: []catalogue.Platform{{Platform: platform, Manifest: manifest.String(), Config: config.String()}},
	}, err
}

// login is what the operator's docker config would give.
func (l *lab) login(string) (string, error) {
	return deployer.EncodeAuth(user, password, "", "", l.registry.Addr)
}

// rig is one app of one test.
type rig struct {
	*lab
	t      *testing.T
	dir    deployer.Dir
	domain string
	stack  string

	mu     sync.Mutex
	events []string
}

// server is the name of the operator's server; a docker context has that name.
const server = "prod"

func newRig(t *testing.T, name string) *rig {
	t.Helper()
	r := &rig{lab: useLab(t), t: t, dir: deployer.Dir{Root: t.TempDir()}, domain: name + ".example.org"}
	r.stack = deployer.StackName(r.domain)
	r.write("servers/"+server+"/"+r.domain+".env", "TYPE=test\nDOMAIN="+r.domain+"\n")
	t.Cleanup(r.clean)
	return r
}

// within makes a subtest the one that fails, until the returned function is called.
func (r *rig) within(t *testing.T) func() {
	outer := r.t
	r.t = t
	return func() { r.t = outer }
}

func (r *rig) write(path, text string) {
	r.t.Helper()
	path = filepath.Join(r.dir.Root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// clean removes what the test made, and wants nothing of it left on any node.
func (r *rig) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	e := r.connect(r.survivor().Host())
	if _, err := e.Undeploy(ctx, r.stack, nil); err != nil && !strings.Contains(err.Error(), "there is no stack") {
		r.t.Errorf("cleaning up: %v", err)
	}
	if err := e.Forget(ctx, r.stack); err != nil {
		r.t.Errorf("cleaning up: %v", err)
	}
	if r.t.Failed() {
		r.t.Logf("the events:\n%s", strings.Join(r.said(), "\n"))
	}
}

// survivor is a manager that runs.
func (r *rig) survivor() *engine.Node {
	r.t.Helper()
	leader, err := r.cluster.Leader(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return leader
}

// dockerContext makes a docker context of the server's name that leads to host, in a
// docker config of its own.
func dockerContext(t *testing.T, host string) {
	t.Helper()
	config := t.TempDir()
	t.Setenv("DOCKER_CONFIG", config)
	sum := sha256.Sum256([]byte(server))
	dir := filepath.Join(config, "contexts", "meta", hex.EncodeToString(sum[:]))
	meta, err := json.Marshal(map[string]any{"Name": server, "Endpoints": map[string]any{"docker": map[string]string{"Host": host}}})
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "meta.json"), meta, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// connect opens the server by an address; nodes are what its nodes file says.
func (r *rig) connect(host string, nodes ...string) *deployer.Engine {
	r.t.Helper()
	dockerContext(r.t, host)
	r.write("servers/"+server+"/nodes", "# the others\n"+strings.Join(nodes, "\n")+"\n")
	named, err := r.dir.Nodes(server)
	if err != nil || !slices.Equal(named, nodes) {
		r.t.Fatalf("the nodes file gave %q, %v; want %q", named, err, nodes)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e, err := deployer.Connect(ctx, server, named...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = e.Close() })
	return e
}

// others are the addresses of all nodes but one.
func (r *rig) others(but *engine.Node) []string {
	var hosts []string
	for _, n := range r.cluster.Nodes() {
		if n != but {
			hosts = append(hosts, n.Host())
		}
	}
	return hosts
}

// desired makes the wanted stack of a version, of which services is the compose file's
// part; "APP" in it is the image.
func (r *rig) desired(version, services string) *deployer.Desired {
	r.t.Helper()
	app, err := r.dir.Find(r.domain, server)
	if err != nil {
		r.t.Fatal(err)
	}
	text := "services:\n" + strings.ReplaceAll(services, "APP", r.registry.Addr+"/app:"+version)
	loaded, err := recipe.Load(fstest.MapFS{"compose.yml": {Data: []byte(text), Mode: 0o644}}, recipe.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	d, err := deployer.NewDesired(context.Background(), deployer.Input{
		App: app, Recipe: loaded, Entry: &catalogue.Entry{Version: version + ".0.0+" + version, Images: r.images},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// service is a service of the test app that is healthy after delay.
func service(name, delay, deploy string) string {
	return fmt.Sprintf(`  %s:
    image: APP
    environment: {DELAY: %s}
    stop_grace_period: 1s
    healthcheck: {test: [CMD, /app, health], interval: 1s, timeout: 5s, retries: 5, start_period: 10m}
    deploy:
      %s
      restart_policy: {condition: any, delay: 100ms}
      update_config: {monitor: 1s, failure_action: pause, parallelism: 0, order: stop-first}
`, name, delay, deploy)
}

// deploy deploys; the options may be changed by change.
func (r *rig) deploy(ctx context.Context, e *deployer.Engine, d *deployer.Desired, change ...func(*deployer.DeployOptions)) (deployer.Outcome, error) {
	o := deployer.DeployOptions{
		Limits: deployer.Limits{Converge: 2 * time.Minute, Pull: time.Minute}, Credentials: r.login, Report: r.see,
	}
	for _, c := range change {
		c(&o)
	}
	return e.Deploy(ctx, d, nil, o)
}

func (r *rig) see(e deployer.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf("%5.1f %s %s %s %d/%d %s", e.Elapsed.Seconds(), e.Stage, e.Service, e.Phase, e.Running, e.Slots, e.Message))
}

func (r *rig) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// converges deploys what must converge.
func (r *rig) converges(e *deployer.Engine, d *deployer.Desired) deployer.Outcome {
	r.t.Helper()
	o, err := r.deploy(r.t.Context(), e, d)
	r.ends(o, err, deployer.Converged, deployer.StateNew)
	return o
}

func (r *rig) ends(o deployer.Outcome, err error, verdict deployer.Verdict, state deployer.StateAfter) {
	r.t.Helper()
	if err != nil || o.Verdict != verdict || o.State != state {
		r.t.Fatalf("%v, %s, state %s (%s); want %s, state %s\n%s", err, o.Verdict, o.State, o.Reason, verdict, state, strings.Join(r.said(), "\n"))
	}
}

// begin deploys in the background. Its end comes through the channel.
type ended struct {
	outcome deployer.Outcome
	err     error
}

func (r *rig) begin(ctx context.Context, e *deployer.Engine, d *deployer.Desired, change ...func(*deployer.DeployOptions)) <-chan ended {
	done := make(chan ended, 1)
	go func() {
		o, err := r.deploy(ctx, e, d, change...)
		done <- ended{o, err}
	}()
	return done
}

// await waits for a background deploy's end.
func (r *rig) await(done <-chan ended) ended {
	r.t.Helper()
	select {
	case e := <-done:
		return e
	case <-time.After(3 * time.Minute):
		r.t.Fatalf("the deploy did not end:\n%s", strings.Join(r.said(), "\n"))
		return ended{}
	}
}

// eventually waits for a condition.
func (r *rig) eventually(what string, is func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			r.t.Fatalf("waiting for %s took too long:\n%s", what, strings.Join(r.said(), "\n"))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// untilSaid waits until an event has all the words.
func (r *rig) untilSaid(words ...string) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("the event %q", words), func() bool {
		return slices.ContainsFunc(r.said(), func(line string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
		})
	})
}

// swarmOf is a plain client, to look at the swarm without galley.
func (r *rig) swarmOf(n *engine.Node) *client.Client {
	r.t.Helper()
	c, err := n.Client()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// running counts the stack's running tasks by the node's name, as the swarm has them.
func (r *rig) running(key string) map[string]int {
	r.t.Helper()
	tasks, err := r.swarmOf(r.survivor()).TaskList(context.Background(), swarm.TaskListOptions{
		Filters: filters.NewArgs(filters.Arg("service", r.stack+"_"+key), filters.Arg("desired-state", "running")),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	names := map[string]string{}
	for _, n := range r.cluster.Nodes() {
		names[n.SwarmID] = n.Name
	}
	on := map[string]int{}
	for _, task := range tasks {
		if task.Status.State == swarm.TaskStateRunning {
			on[names[task.NodeID]]++
		}
	}
	return on
}

func (r *rig) runsOn(key string, want map[string]int) {
	r.t.Helper()
	if got := r.running(key); !maps.Equal(got, want) {
		r.t.Errorf("service %s runs on %v, want %v", key, got, want)
	}
}

// image is the image of a stored service's spec.
func (r *rig) image(key string) string {
	r.t.Helper()
	s, _, err := r.swarmOf(r.survivor()).ServiceInspectWithRaw(context.Background(), r.stack+"_"+key, swarm.ServiceInspectOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Spec.TaskTemplate.ContainerSpec.Image
}

// records lists what galley keeps of the stack on the swarm: "lock", "journal".
func (r *rig) records() []string {
	r.t.Helper()
	configs, err := r.swarmOf(r.survivor()).ConfigList(context.Background(), swarm.ConfigListOptions{
		Filters: filters.NewArgs(filters.Arg("label", "galley.stack="+r.stack)),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	var kinds []string
	for _, c := range configs {
		if kind := c.Spec.Labels["galley.record"]; kind != "history" {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// isDone wants neither lock nor journal, and a history whose last record says verdict.
func (r *rig) isDone(length int, verdict deployer.Verdict) {
	r.t.Helper()
	if left := r.records(); len(left) > 0 {
		r.t.Errorf("left on the swarm: %q", left)
	}
	history, err := r.connect(r.survivor().Host()).History(context.Background(), r.stack)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(history) != length || history[len(history)-1].Verdict != verdict {
		r.t.Errorf("the history is %+v, want %d records of which the last is %q", history, length, verdict)
	}
}
