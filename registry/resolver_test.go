package registry

import (
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

// anonymous is a keychain without credentials, so that no test reads the
// docker config of whoever runs it.
type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// resolverFor has short waits. Change sets further options.
func resolverFor(t testing.TB, change func(*Options)) *Resolver {
	t.Helper()
	opts := Options{Keychain: anonymous{}, Timeout: 10 * time.Second, Backoff: time.Millisecond}
	if change != nil {
		change(&opts)
	}
	r := New(opts)
	t.Cleanup(r.Close)
	return r
}

func resolve(t testing.TB, r *Resolver, ref string) Image {
	t.Helper()
	img, err := r.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatalf("Resolve(%q): %v", ref, err)
	}
	return img
}

func platforms(img Image) string {
	var names []string
	for _, child := range img.Children {
		names = append(names, child.Platform.String())
	}
	return strings.Join(names, " ")
}

func TestResolveIndex(t *testing.T) {
	reg := localregistry.StartT(t)
	idx := localregistry.TinyT(t, "one", "linux/arm64/v8", "linux/amd64", "linux/arm/v7").(v1.ImageIndex)
	digest := reg.PushT(t, "team/web:1.2", idx)

	img := resolve(t, resolverFor(t, nil), reg.Addr+"/team/web:1.2")
	if img.Reference != reg.Addr+"/team/web:1.2" || img.Digest != digest {
		t.Errorf("got %s as %s, want %s", img.Reference, img.Digest, digest)
	}
	if !img.IsIndex() || img.MediaType != string(types.OCIImageIndex) {
		t.Errorf("media type %q is no index", img.MediaType)
	}
	if got, want := platforms(img), "linux/amd64 linux/arm/v7 linux/arm64/v8"; got != want {
		t.Errorf("platforms %q, want %q", got, want)
	}
	manifest, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, desc := range manifest.Manifests {
		checkChild(t, img, idx, desc)
	}
}

// checkChild compares a child with what was pushed.
func checkChild(t *testing.T, img Image, idx v1.ImageIndex, desc v1.Descriptor) {
	t.Helper()
	pushed, err := idx.Image(desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := pushed.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	p := Platform{OS: desc.Platform.OS, Architecture: desc.Platform.Architecture, Variant: desc.Platform.Variant}
	want := Child{Platform: p, Manifest: desc.Digest.String(), Config: config.String(), Size: desc.Size}
	if got, ok := img.Child(p); !ok || got != want {
		t.Errorf("child %s is %+v, want %+v", p, got, want)
	}
}

func TestResolvePlainImage(t *testing.T) {
	reg := localregistry.StartT(t)
	pushed := localregistry.TinyT(t, "plain", "linux/arm64/v8").(v1.Image)
	digest := reg.PushT(t, "plain:3", pushed)
	config, err := pushed.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	img := resolve(t, resolverFor(t, nil), reg.Addr+"/plain:3")
	want := Child{
		Platform: Platform{"linux", "arm64", "v8"},
		Manifest: digest, Config: config.String(), Size: img.Size,
	}
	if img.IsIndex() || img.Size == 0 || !reflect.DeepEqual(img.Children, []Child{want}) {
		t.Errorf("got %+v, want the one child %+v", img, want)
	}
}

func TestResolveDockerMediaTypes(t *testing.T) {
	reg := localregistry.StartT(t)
	tiny := localregistry.TinyT(t, "docker", "linux/amd64").(v1.Image)
	img := mutate.ConfigMediaType(mutate.MediaType(tiny, types.DockerManifestSchema2), types.DockerConfigJSON)
	idx, err := localregistry.Index(map[string]v1.Image{"linux/amd64": img})
	if err != nil {
		t.Fatal(err)
	}
	digest := reg.PushT(t, "old:1", mutate.IndexMediaType(idx, types.DockerManifestList))
	got := resolve(t, resolverFor(t, nil), reg.Addr+"/old:1")
	if got.Digest != digest || !got.IsIndex() || platforms(got) != "linux/amd64" {
		t.Errorf("got %+v, want the list %s of linux/amd64", got, digest)
	}
}

func TestAttestationIsNoChild(t *testing.T) {
	reg := localregistry.StartT(t)
	idx := localregistry.TinyT(t, "built", "linux/amd64", "linux/arm64").(v1.ImageIndex)
	attested, err := localregistry.Attested(idx, "provenance")
	if err != nil {
		t.Fatal(err)
	}
	reg.PushT(t, "built:1", attested)
	img := resolve(t, resolverFor(t, nil), reg.Addr+"/built:1")
	if got := platforms(img); got != "linux/amd64 linux/arm64" {
		t.Errorf("platforms %q, want those two without unknown/unknown", got)
	}
	for _, line := range reg.Requests() {
		if strings.Count(line, "sha256:") == 1 && !strings.Contains(line, img.Digest) &&
			!strings.Contains(line, img.Children[0].Manifest) && !strings.Contains(line, img.Children[1].Manifest) {
			t.Errorf("the attestation was fetched: %s", line)
		}
	}
}

func TestIndexWithoutPlatformsAsksTheConfig(t *testing.T) {
	reg := localregistry.StartT(t)
	tiny := localregistry.TinyT(t, "bare", "linux/riscv64").(v1.Image)
	idx := localregistry.TinyT(t, "x", "linux/amd64", "linux/arm64").(v1.ImageIndex)
	digest, err := tiny.Digest()
	if err != nil {
		t.Fatal(err)
	}
	bare := mutate.AppendManifests(mutate.RemoveManifests(idx, func(v1.Descriptor) bool { return true }),
		mutate.IndexAddendum{Add: tiny, Descriptor: v1.Descriptor{Digest: digest}})
	reg.PushT(t, "bare:1", bare)
	if got := platforms(resolve(t, resolverFor(t, nil), reg.Addr+"/bare:1")); got != "linux/riscv64" {
		t.Errorf("platforms %q, want linux/riscv64", got)
	}
}

func TestPinnedReferenceIgnoresItsTag(t *testing.T) {
	reg := localregistry.StartT(t)
	first := reg.PushT(t, "web:1", localregistry.TinyT(t, "first"))
	second := reg.PushT(t, "web:1", localregistry.TinyT(t, "second"))
	r := resolverFor(t, nil)
	if got := resolve(t, r, reg.Addr+"/web:1"); got.Digest != second {
		t.Errorf("the tag names %s, want %s", got.Digest, second)
	}
	got := resolve(t, r, reg.Addr+"/web:1@"+first)
	if got.Digest != first || got.Reference != reg.Addr+"/web:1" {
		t.Errorf("pinned: got %s as %q, want %s", got.Digest, got.Reference, first)
	}
}

func TestReferencesThatAreRefusedBeforeAnyRequest(t *testing.T) {
	reg := localregistry.StartT(t)
	r := resolverFor(t, nil)
	for _, ref := range []string{
		reg.Addr + "/web", reg.Addr + "/Web:1", "", "web:${TAG}", reg.Addr + "/web@sha512:" + strings.Repeat("ab", 64),
	} {
		_, err := r.Resolve(t.Context(), ref)
		if fault.KindOf(err) != fault.Usage || err == nil {
			t.Errorf("Resolve(%q) = %v, want a usage error", ref, err)
		}
	}
	if _, err := r.Resolve(t.Context(), reg.Addr+"/web"); !errors.Is(err, ErrNoTag) || fault.HintOf(err) == "" {
		t.Errorf("without a tag: %v, want ErrNoTag with a hint", err)
	}
	if n := len(reg.Requests()); n != 0 {
		t.Errorf("%d requests were sent, want none", n)
	}
}

func TestRewrites(t *testing.T) {
	reg := localregistry.StartT(t)
	hub := reg.PushT(t, "hub/library/nginx:1.2", localregistry.TinyT(t, "hub"))
	special := reg.PushT(t, "special/app:1", localregistry.TinyT(t, "special"))
	r := resolverFor(t, func(o *Options) {
		o.Rewrites = map[string]string{
			"docker.io":           reg.Addr + "/hub",
			"docker.io/team/":     reg.Addr + "/special/",
			"docker.io/team/ap":   reg.Addr + "/wrong",
			"broken.example.org":  "not a host",
			"broken2.example.org": "",
		}
	})
	if got := resolve(t, r, "nginx:1.2"); got.Digest != hub || got.Reference != "docker.io/library/nginx:1.2" {
		t.Errorf("got %s as %q, want %s under its own name", got.Digest, got.Reference, hub)
	}
	if got := resolve(t, r, "team/app:1"); got.Digest != special {
		t.Errorf("the longest prefix did not win: got %s, want %s", got.Digest, special)
	}
	for _, ref := range []string{"broken.example.org/x:1", "broken2.example.org/x:1"} {
		if _, err := r.Resolve(t.Context(), ref); err == nil || fault.KindOf(err) != fault.Usage {
			t.Errorf("Resolve(%q) = %v, want a usage error", ref, err)
		}
	}
}

// strangerAddr is loopback to the kernel and any public address to ggcr, which
// falls back to plain HTTP for 127.0.0.1 alone.
func strangerAddr(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 on its loopback")
	}
	return "127.0.0.2:0"
}

func TestInsecureHostByName(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithAddr(strangerAddr(t)))
	digest := reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	host := reg.Addr
	strict := resolverFor(t, nil)
	if _, err := strict.Resolve(t.Context(), host+"/web:1"); err == nil || !strings.Contains(err.Error(), "does not speak https") {
		t.Errorf("over plain HTTP without leave: %v", err)
	}
	lenient := resolverFor(t, func(o *Options) { o.Insecure = []string{host} })
	if got := resolve(t, lenient, host+"/web:1"); got.Digest != digest {
		t.Errorf("got %s, want %s", got.Digest, digest)
	}
}

func TestUserAgent(t *testing.T) {
	seen := make(chan string, 100)
	reg := localregistry.StartT(t, localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodHead {
				seen <- req.UserAgent()
			}
			next.ServeHTTP(w, req)
		})
	}))
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	resolve(t, resolverFor(t, func(o *Options) { o.UserAgent = "galley/9.9" }), reg.Addr+"/web:1")
	if got := <-seen; !strings.HasPrefix(got, "galley/9.9 ") {
		t.Errorf("user agent %q, want it to begin with galley/9.9", got)
	}
}
