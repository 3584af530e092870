package localregistry

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func digestOf(t *testing.T, m Manifest, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func TestTinyImagesDifferBySeedAndAreReproducible(t *testing.T) {
	a1, err := TinyImage("a")
	first := digestOf(t, a1, err)
	a2, err := TinyImage("a")
	if again := digestOf(t, a2, err); again != first {
		t.Errorf("the same seed gave %s and %s", first, again)
	}
	b, err := TinyImage("b")
	if other := digestOf(t, b, err); other == first {
		t.Errorf("seeds a and b both gave %s", first)
	}
	multi, err := TinyImage("a", "linux/amd64", "linux/arm64")
	if _, ok := multi.(v1.ImageIndex); !ok || err != nil {
		t.Errorf("two platforms gave %T, %v, want an index", multi, err)
	}
	if _, err := TinyImage("a", "linux"); err == nil {
		t.Error("the platform \"linux\" was taken")
	}
}

func TestBinaryImage(t *testing.T) {
	binary := bytes.Repeat([]byte("static binary "), 1000)
	build := func(platform string) v1.Image {
		img, err := BinaryImage(binary, platform, func(c *v1.Config) { c.Env = []string{"A=b"} })
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	img := build("linux/arm64/v8")
	if one, two := digestOf(t, img, nil), digestOf(t, build("linux/arm64/v8"), nil); one != two {
		t.Errorf("the same binary gave %s and %s", one, two)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if p := config.Platform().String(); p != "linux/arm64/v8" {
		t.Errorf("platform %q, want linux/arm64/v8", p)
	}
	if config.Config.Entrypoint[0] != BinaryPath || config.Config.Env[0] != "A=b" {
		t.Errorf("config %+v, want the entrypoint %s and A=b", config.Config, BinaryPath)
	}
	files := tar.NewReader(mutate.Extract(img))
	header, err := files.Next()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(files)
	if err != nil {
		t.Fatal(err)
	}
	if "/"+header.Name != BinaryPath || header.Mode != 0o755 || !bytes.Equal(content, binary) {
		t.Errorf("got %q of mode %o with %d bytes", header.Name, header.Mode, len(content))
	}
	if _, err := files.Next(); err != io.EOF {
		t.Errorf("there is more than the binary: %v", err)
	}
}

func pull(t *testing.T, reg *Registry, repoTag string, auth authn.Authenticator) (*remote.Descriptor, error) {
	t.Helper()
	ref, err := name.NewTag(reg.Addr + "/" + repoTag)
	if err != nil {
		t.Fatal(err)
	}
	return remote.Get(ref, remote.WithAuth(auth), remote.WithContext(t.Context()))
}

func TestPushedIsServed(t *testing.T) {
	reg := StartT(t)
	digest := reg.PushT(t, "team/web:1", TinyT(t, "web", "linux/amd64", "linux/arm64"))
	got, err := pull(t, reg, "team/web:1", authn.Anonymous)
	if err != nil || got.Digest.String() != digest {
		t.Fatalf("pulled %v, %v, want %s", got, err, digest)
	}
	img, err := got.Image() // resolves linux/amd64
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v, want 1", len(layers), err)
	}
	body, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if n, err := io.Copy(io.Discard, body); err != nil || n == 0 {
		t.Errorf("read %d bytes of the layer, %v", n, err)
	}
	if err := reg.Push(t.Context(), "no tag", empty.Image); err == nil {
		t.Error("a bad name was taken")
	}
	if err := reg.Push(t.Context(), "web:1", nil); err == nil {
		t.Error("nothing was pushed without an error")
	}
}

func TestPushManifest(t *testing.T) {
	reg := StartT(t)
	digest, err := reg.PushManifest(t.Context(), "odd", "1", "text/plain", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := pull(t, reg, "odd:1", authn.Anonymous)
	if err != nil || got.Digest.String() != digest || string(got.Manifest) != "hello" {
		t.Errorf("pulled %v, %v, want %s", got, err, digest)
	}
}

func TestAuth(t *testing.T) {
	right := &authn.Basic{Username: "ana", Password: "secret"}
	wrong := &authn.Basic{Username: "ana", Password: "guess"}
	tests := []struct {
		name   string
		option Option
		auth   authn.Authenticator
		ok     bool
	}{
		{"basic, right", WithBasicAuth("ana", "secret"), right, true},
		{"basic, wrong", WithBasicAuth("ana", "secret"), wrong, false},
		{"basic, none", WithBasicAuth("ana", "secret"), authn.Anonymous, false},
		{"bearer, right", WithBearer("ana", "secret"), right, true},
		{"bearer, wrong", WithBearer("ana", "secret"), wrong, false},
		{"bearer, none", WithBearer("ana", "secret"), authn.Anonymous, false},
		{"public bearer", WithBearer("", ""), authn.Anonymous, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reg := StartT(t, tt.option)
			reg.PushT(t, "web:1", TinyT(t, "web"))
			if _, err := pull(t, reg, "web:1", tt.auth); (err == nil) != tt.ok {
				t.Errorf("pull: %v, want success %t", err, tt.ok)
			}
		})
	}
}

func TestTokenIsForItsRepositoryAndAction(t *testing.T) {
	reg := StartT(t, WithBearer("", ""))
	reg.PushT(t, "web:1", TinyT(t, "web"))
	resp, err := http.Get("http://" + reg.Addr + "/token?scope=" + url.QueryEscape("repository:web:pull"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	tests := map[string]int{
		"GET /v2/":                    http.StatusOK,
		"GET /v2/web/manifests/1":     http.StatusOK,
		"HEAD /v2/web/manifests/1":    http.StatusOK,
		"GET /v2/other/manifests/1":   http.StatusUnauthorized,
		"DELETE /v2/web/manifests/1":  http.StatusUnauthorized,
		"POST /v2/web/blobs/uploads/": http.StatusUnauthorized,
	}
	for line, want := range tests {
		if got := ask(t, reg, line, answer.Token); got != want {
			t.Errorf("%s: status %d, want %d", line, got, want)
		}
	}
	reg.ExpireTokens()
	if got := ask(t, reg, "GET /v2/web/manifests/1", answer.Token); got != http.StatusUnauthorized {
		t.Errorf("with an expired token: status %d, want 401", got)
	}
}

func ask(t *testing.T, reg *Registry, line, token string) int {
	t.Helper()
	method, path, _ := strings.Cut(line, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+reg.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestCountsFaultsAndLog(t *testing.T) {
	var log bytes.Buffer
	teapot := WithHandler(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	})
	reg := StartT(t, teapot, WithLog(&log))
	reg.PushT(t, "web:1", TinyT(t, "web")) // neither counted nor spoiled
	if got := ask(t, reg, "GET /v2/", ""); got != http.StatusTeapot {
		t.Errorf("status %d, want the fault's", got)
	}
	if reg.Count("GET") != 1 || strings.Join(reg.Requests(), ",") != "GET /v2/" {
		t.Errorf("counted %d, %v", reg.Count("GET"), reg.Requests())
	}
	reg.ResetCount()
	if reg.Count("GET") != 0 || len(reg.Requests()) != 0 {
		t.Error("the count was not reset")
	}
	if err := reg.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "PUT /v2/web/manifests/1") {
		t.Errorf("the log has no push: %q", log.String())
	}
}

func TestAddressThatCannotBeHad(t *testing.T) {
	reg := StartT(t)
	if again, err := Start(WithAddr(reg.Addr)); err == nil {
		_ = again.Close()
		t.Errorf("%s was taken twice", reg.Addr)
	}
}

func TestCloseEnds(t *testing.T) {
	reg := StartT(t)
	if err := reg.Close(); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.Get("http://" + reg.Addr + "/v2/"); err == nil {
		resp.Body.Close()
		t.Error("it still answers")
	}
	if err := reg.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
