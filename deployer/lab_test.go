package deployer

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/registry"
)

var shared = engine.Shared{Options: engine.Options{Swarm: true}}

// disturbed is a second engine, for what concerns all that runs on one.
var disturbed = engine.Shared{Options: engine.Options{Swarm: true}}

func TestMain(m *testing.M) {
	if os.Getenv(childHost) != "" {
		os.Exit(m.Run())
	}
	flag.Parse()
	if !isSet("test.parallel") { // the tests wait more than they work
		_ = flag.Set("test.parallel", "8")
	}
	code := disturbed.Main(inner{m})
	for _, l := range []*lab{&theLab, &otherLab} {
		if l.registry != nil {
			_ = l.registry.Close()
		}
	}
	if carrierDir != "" {
		_ = os.RemoveAll(carrierDir)
	}
	os.Exit(code)
}

// inner runs the tests with the shared engine.
type inner struct{ m *testing.M }

func (i inner) Run() int { return shared.Main(i.m) }

func isSet(name string) bool {
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// lab is what all engine tests share: the private engine, and a registry on its
// link with the test app in it.
type lab struct {
	once     sync.Once
	err      error
	host     string
	node     *engine.Engine
	binary   []byte
	registry *localregistry.Registry
	spoiled  sync.Map // path of a request to the body that is answered
	held     sync.Map // path of a request to the channel whose end it waits for
	images   []catalogue.Image
}

var theLab, otherLab lab

// versions are the app's tags; their images differ in a label only.
var versions = []string{"1", "2", "3"}

func useLab(t *testing.T) *lab {
	t.Helper()
	return theLab.use(t, &shared)
}

// use starts the lab on an engine, unless it has one already.
func (l *lab) use(t *testing.T, on *engine.Shared) *lab {
	t.Helper()
	e := on.Get(t)
	l.once.Do(func() { l.err = l.start(t, e) })
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l
}

func (l *lab) start(t *testing.T, e *engine.Engine) (err error) {
	l.node, l.host = e, e.Host()
	if l.binary, err = buildApp(t.TempDir()); err != nil {
		return err
	}
	l.registry, err = localregistry.Start(localregistry.WithAddr(e.BridgeAddr()+":0"), localregistry.WithHandler(l.spoil))
	if err != nil {
		return err
	}
	for _, tag := range versions {
		image, err := l.push("app", tag, tag)
		if err != nil {
			return err
		}
		l.images = append(l.images, image)
	}
	return nil
}

// spoil answers some requests with other bytes than the registry holds.
func (l *lab) spoil(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, ok := l.spoiled.Load(r.URL.Path); ok {
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			_, _ = w.Write(body.([]byte))
			return
		}
		if held, ok := l.held.Load(r.URL.Path); ok {
			select {
			case <-held.(chan struct{}):
			case <-r.Context().Done():
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// hold lets requests of a path wait until release is called.
func (l *lab) hold(t *testing.T, path string) (release func()) {
	until := make(chan struct{})
	l.held.Store(path, until)
	release = sync.OnceFunc(func() {
		l.held.Delete(path)
		close(until)
	})
	t.Cleanup(release)
	return release
}

func buildApp(dir string) ([]byte, error) {
	path := filepath.Join(dir, "app")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "./testdata/app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the test app: %w: %s", err, out)
	}
	return os.ReadFile(path)
}

// push puts an index with one image of the test app under a tag and resolves it,
// as building a catalogue does.
func (l *lab) push(repo, tag, seed string) (catalogue.Image, error) {
	platform := "linux/" + l.node.Arch()
	img, err := localregistry.BinaryImage(l.binary, platform, func(c *v1.Config) { c.Labels = map[string]string{"seed": seed} })
	if err != nil {
		return catalogue.Image{}, err
	}
	return l.pushIndex(repo+":"+tag, platform, img)
}

// pushIndex puts an image under a reference, in an index, and resolves it.
func (l *lab) pushIndex(reference, platform string, img v1.Image) (catalogue.Image, error) {
	index, err := localregistry.Index(map[string]v1.Image{platform: img})
	if err != nil {
		return catalogue.Image{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.registry.Push(ctx, reference, index); err != nil {
		return catalogue.Image{}, err
	}
	return l.resolve(ctx, reference)
}

func (l *lab) resolve(ctx context.Context, repoTag string) (catalogue.Image, error) {
	resolver := registry.New(registry.Options{Insecure: []string{l.registry.Addr}})
	defer resolver.Close()
	got, err := resolver.Resolve(ctx, l.registry.Addr+"/"+repoTag)
	if err != nil {
		return catalogue.Image{}, err
	}
	image := catalogue.Image{Reference: got.Reference, Digest: got.Digest, MediaType: got.MediaType, Size: got.Size}
	for _, c := range got.Children {
		image.Platforms = append(image.Platforms, catalogue.Platform{Platform: c.Platform.String(), Manifest: c.Manifest, Config: c.Config})
	}
	return image, nil
}

// connect is Connect to the private engine, which no docker context names.
func (l *lab) connect(t *testing.T) *Engine {
	t.Helper()
	e, err := open(t.Context(), "test", l.host, []client.Opt{client.WithHost(l.host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}
