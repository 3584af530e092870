package localregistry

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// authority asks for credentials in front of the images.
type authority struct {
	scheme         string // basic or bearer
	user, password string

	mu     sync.Mutex
	tokens map[string][]string // token → scopes it was given for
}

func newAuthority(scheme, user, password string) *authority {
	return &authority{scheme: scheme, user: user, password: password, tokens: map[string][]string{}}
}

func (a *authority) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if a.scheme == "bearer" && req.URL.Path == "/token" {
			a.serveToken(w, req)
			return
		}
		if a.allowed(req) {
			next.ServeHTTP(w, req)
			return
		}
		w.Header().Set("WWW-Authenticate", a.challenge(req))
		writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	})
}

func (a *authority) challenge(req *http.Request) string {
	if a.scheme == "basic" {
		return `Basic realm="local registry"`
	}
	text := fmt.Sprintf(`Bearer realm="http://%s/token",service="local"`, req.Host)
	if scope := scopeOf(req); scope != "" {
		text += fmt.Sprintf(",scope=%q", scope)
	}
	return text
}

func (a *authority) allowed(req *http.Request) bool {
	if a.scheme == "basic" {
		return a.known(req)
	}
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	a.mu.Lock()
	scopes, ok := a.tokens[token]
	a.mu.Unlock()
	return ok && covers(scopes, scopeOf(req))
}

// known tells whether the request carries the basic credentials.
func (a *authority) known(req *http.Request) bool {
	user, password, ok := req.BasicAuth()
	sameUser := subtle.ConstantTimeCompare([]byte(user), []byte(a.user)) == 1
	samePassword := subtle.ConstantTimeCompare([]byte(password), []byte(a.password)) == 1
	return ok && sameUser && samePassword
}

// serveToken hands out a token for the scopes asked for.
func (a *authority) serveToken(w http.ResponseWriter, req *http.Request) {
	if a.user != "" && !a.known(req) {
		writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "wrong user name or password")
		return
	}
	token := rand.Text()
	a.mu.Lock()
	a.tokens[token] = req.URL.Query()["scope"]
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": 300})
}

func (a *authority) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens = map[string][]string{}
}

// scopeOf is the scope that a request needs, "repository:path:pull" or
// "repository:path:pull,push"; "" for the ping.
func scopeOf(req *http.Request) string {
	path := strings.TrimPrefix(req.URL.Path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if at := strings.LastIndex(path, part); at > 0 {
			return "repository:" + path[:at] + ":" + action(req.Method)
		}
	}
	return ""
}

func action(method string) string {
	if method == http.MethodGet || method == http.MethodHead {
		return "pull"
	}
	return "pull,push"
}

// covers tells whether the granted scopes allow what is wanted.
func covers(granted []string, want string) bool {
	if want == "" {
		return true
	}
	at := strings.LastIndex(want, ":")
	for _, scope := range granted {
		actions, ok := strings.CutPrefix(scope, want[:at+1])
		if ok && containsAll(strings.Split(actions, ","), strings.Split(want[at+1:], ",")) {
			return true
		}
	}
	return false
}

func containsAll(have, want []string) bool {
	set := map[string]bool{}
	for _, h := range have {
		set[h] = true
	}
	for _, w := range want {
		if !set[w] {
			return false
		}
	}
	return true
}

// writeError answers in the shape of the distribution specification's errors.
func writeError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"errors": []map[string]string{{"code": code, "message": message}},
	})
}
