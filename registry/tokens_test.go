package registry

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/galley-coop/galley/internal/localregistry"
)

// tokenService puts a handler before the token service alone.
func tokenService(handle func(w http.ResponseWriter, req *http.Request, next http.Handler)) localregistry.Option {
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/token" {
				handle(w, req, next)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
}

// withScopes is req with these scopes and no others.
func withScopes(req *http.Request, scopes []string) *http.Request {
	query := req.URL.Query()
	query["scope"] = scopes
	changed := req.Clone(req.Context())
	changed.URL = &url.URL{Path: req.URL.Path, RawQuery: query.Encode()}
	return changed
}

func TestTokensOfSeveralRepositories(t *testing.T) {
	const repositories = 24
	tests := map[string]struct {
		service func(w http.ResponseWriter, req *http.Request, next http.Handler)
		denied  bool // app7 cannot be had
		tokens  int  // at most
	}{
		"granted": {func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			next.ServeHTTP(w, req)
		}, false, repositories / scopesAtOnce},
		"the first alone is granted": {func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			next.ServeHTTP(w, withScopes(req, req.URL.Query()["scope"][:1]))
		}, false, repositories + 2},
		"the last alone is granted": {func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			scopes := req.URL.Query()["scope"]
			next.ServeHTTP(w, withScopes(req, scopes[len(scopes)-1:]))
		}, false, repositories + 2},
		"several are refused": {func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			if len(req.URL.Query()["scope"]) > 1 {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			next.ServeHTTP(w, req)
		}, false, repositories + 1},
		"html for several": {func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			if len(req.URL.Query()["scope"]) > 1 {
				fmt.Fprint(w, page)
				return
			}
			next.ServeHTTP(w, req)
		}, false, repositories + 1},
		"one is left out": {func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			var granted []string
			for _, scope := range req.URL.Query()["scope"] {
				if !strings.Contains(scope, "app7:") {
					granted = append(granted, scope)
				}
			}
			next.ServeHTTP(w, withScopes(req, granted))
		}, true, repositories/scopesAtOnce + 2},
		"short-lived": {func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			answer := &kept{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(answer, req)
			_, _ = w.Write([]byte(strings.Replace(answer.body.String(), `"expires_in":300`, `"expires_in":1`, 1)))
		}, false, repositories + repositories/scopesAtOnce},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := localregistry.StartT(t, localregistry.WithBearer("", ""), tokenService(tt.service))
			var refs []string
			for i := range repositories {
				name := fmt.Sprintf("app%d:1", i)
				reg.PushT(t, name, localregistry.TinyT(t, name))
				refs = append(refs, reg.Addr+"/"+name)
			}
			r := resolverFor(t, func(o *Options) { o.PerHost = 1 })
			for ref, res := range r.ResolveAll(t.Context(), refs, nil) {
				if failed := res.Err != nil; failed != (tt.denied && strings.HasSuffix(ref, "/app7:1")) {
					t.Errorf("%s: %v", ref, res.Err)
				}
			}
			tokens := 0
			for _, line := range reg.Requests() {
				if line == "GET /token" {
					tokens++
				}
			}
			if tokens > tt.tokens {
				t.Errorf("%d requests for tokens, want at most %d", tokens, tt.tokens)
			}
		})
	}
}

// perRepository has other credentials for one repository.
type perRepository struct{}

func (perRepository) Resolve(target authn.Resource) (authn.Authenticator, error) {
	if strings.HasSuffix(target.String(), "/secret") {
		return &authn.Basic{Username: user, Password: password}, nil
	}
	return authn.Anonymous, nil
}

func TestTokensAreNotSharedAcrossCredentials(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithBearer("", ""),
		tokenService(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			var granted []string
			_, _, known := req.BasicAuth()
			for _, scope := range req.URL.Query()["scope"] {
				if known == strings.Contains(scope, "secret") {
					granted = append(granted, scope)
				}
			}
			next.ServeHTTP(w, withScopes(req, granted))
		}))
	var refs []string
	for _, name := range []string{"web:1", "secret:1", "db:1"} {
		reg.PushT(t, name, localregistry.TinyT(t, name))
		refs = append(refs, reg.Addr+"/"+name)
	}
	r := resolverFor(t, func(o *Options) { o.Keychain, o.PerHost = perRepository{}, 1 })
	for ref, res := range r.ResolveAll(t.Context(), refs, nil) {
		if res.Err != nil {
			t.Errorf("%s: %v", ref, res.Err)
		}
	}
	if s := r.Stats(); s.Heads != 3 {
		t.Errorf("%+v: a token was tried with a repository that it is not for", s)
	}
}
