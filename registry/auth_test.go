package registry

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

const user, password = "ana", "open-sesame"

// dockerConfig makes $DOCKER_CONFIG a folder with this config.json, and hides
// the config of whoever runs the test.
func dockerConfig(t *testing.T, content string) {
	t.Helper()
	home, dir := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_RUNTIME_DIR", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv("DOCKER_CONFIG", dir)
	if content == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func loginFor(host string) string {
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth)
}

func fromDockerConfig(o *Options) { o.Keychain = authn.DefaultKeychain }

func TestCredentialsFromTheDockerConfig(t *testing.T) {
	kinds := map[string]localregistry.Option{
		"basic":  localregistry.WithBasicAuth(user, password),
		"bearer": localregistry.WithBearer(user, password),
	}
	for name, option := range kinds {
		t.Run(name, func(t *testing.T) {
			reg := localregistry.StartT(t, option)
			digest := reg.PushT(t, "team/web:1", localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64"))

			dockerConfig(t, loginFor(reg.Addr))
			if got := resolve(t, resolverFor(t, fromDockerConfig), reg.Addr+"/team/web:1"); got.Digest != digest {
				t.Errorf("got %s, want %s", got.Digest, digest)
			}
			dockerConfig(t, loginFor("other.example.org"))
			_, err := resolverFor(t, fromDockerConfig).Resolve(t.Context(), reg.Addr+"/team/web:1")
			e := wantError(t, err, Unauthorized, fault.Unavailable)
			if e.Status != http.StatusUnauthorized || !strings.Contains(fault.HintOf(err), "docker login "+reg.Addr) {
				t.Errorf("status %d, hint %q", e.Status, fault.HintOf(err))
			}
		})
	}
}

func TestWrongPasswordIsNotShown(t *testing.T) {
	for _, option := range []localregistry.Option{
		localregistry.WithBasicAuth(user, "another"), localregistry.WithBearer(user, "another"),
	} {
		reg := localregistry.StartT(t, option)
		dockerConfig(t, loginFor(reg.Addr))
		_, err := resolverFor(t, fromDockerConfig).Resolve(t.Context(), reg.Addr+"/web:1")
		wantError(t, err, Unauthorized, fault.Unavailable)
		if strings.Contains(err.Error(), password) {
			t.Errorf("the password is in %q", err)
		}
	}
}

func TestAnonymousBearer(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithBearer("", ""))
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	dockerConfig(t, "") // no docker config at all
	resolve(t, resolverFor(t, fromDockerConfig), reg.Addr+"/web:1")
}

func TestExpiredTokenIsRenewed(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithBearer("", ""))
	digest := reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	r := resolverFor(t, nil)
	resolve(t, r, reg.Addr+"/web:1")
	reg.ExpireTokens()
	if got := resolve(t, r, reg.Addr+"/web:1"); got.Digest != digest {
		t.Errorf("got %s, want %s", got.Digest, digest)
	}
}

func TestBrokenDockerConfigs(t *testing.T) {
	reg := localregistry.StartT(t)
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	helper := filepath.Join(t.TempDir(), "docker-credential-leaky")
	script := "#!/bin/sh\necho 'the secret is " + password + "'\nexit 1\n"
	if err := os.WriteFile(helper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(helper)+":/bin:/usr/bin")
	tests := map[string]struct{ config, text string }{
		"missing helper": {fmt.Sprintf(`{"credHelpers":{%q:"nowhere"}}`, reg.Addr), `the credential helper "docker-credential-nowhere" is not installed`},
		"missing store":  {`{"credsStore":"nowhere"}`, `"docker-credential-nowhere" is not installed`},
		"helper fails":   {fmt.Sprintf(`{"credHelpers":{%q:"leaky"}}`, reg.Addr), "credential helper failed"},
		"not json":       {`{"auths":`, "docker config cannot be read"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dockerConfig(t, tt.config)
			_, err := resolverFor(t, fromDockerConfig).Resolve(t.Context(), reg.Addr+"/web:1")
			wantError(t, err, Credentials, fault.Unavailable)
			if !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), password) {
				t.Errorf("text %q, want %q in it and no output of the helper", err, tt.text)
			}
		})
	}
}

func TestRedirectedBlobGetsNoCredentialsAndShowsNoQuery(t *testing.T) {
	var got atomic.Value
	got.Store("")
	store := localregistry.StartT(t, localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			got.Store(fmt.Sprint(req.URL.RawQuery, req.Header["Authorization"]))
			next.ServeHTTP(w, req)
		})
	}))
	reg := localregistry.StartT(t, localregistry.WithBasicAuth(user, password),
		localregistry.WithHandler(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.Contains(req.URL.Path, "/blobs/") {
					http.Redirect(w, req, "http://"+store.Addr+req.URL.Path+"?signature=sesame", http.StatusTemporaryRedirect)
					return
				}
				next.ServeHTTP(w, req)
			})
		}))
	img := localregistry.TinyT(t, "web")
	reg.PushT(t, "web:1", img)
	dockerConfig(t, loginFor(reg.Addr))

	_, err := resolverFor(t, fromDockerConfig).Resolve(t.Context(), reg.Addr+"/web:1")
	wantError(t, err, NotFound, fault.Unavailable)
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("the redirect's query is in %q", err)
	}
	store.PushT(t, "web:1", img)
	resolve(t, resolverFor(t, fromDockerConfig), reg.Addr+"/web:1")
	if got.Load() != "signature=sesame[]" {
		t.Errorf("the redirect's target was sent %v, want the signature and no credentials", got.Load())
	}
}
