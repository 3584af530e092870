package forge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
)

// gitea answers as Gitea's API documentation says (Pagination: page and limit;
// Link with next and last when there is more than one page; X-Total-Count), with
// the fields of its Repository that others than galley read left in.
type gitea struct {
	repositories []map[string]any
	user         bool // the owner is no organisation
	hidden       int  // the first ones are not shown to this token
	silent       bool // no Link header, as an old server behind some proxies

	mu    sync.Mutex
	asked []string
}

func (g *gitea) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	g.mu.Lock()
	g.asked = append(g.asked, req.URL.Path+" "+req.URL.Query().Get("page"))
	g.mu.Unlock()
	want := "/api/v1/orgs/recipes/repos"
	if g.user {
		want = "/api/v1/users/recipes/repos"
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	if req.URL.Path != want {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":null,"message":"GetOrgByName","url":"http://git.example.org/api/swagger"}`))
		return
	}
	page, _ := strconv.Atoi(req.URL.Query().Get("page"))
	limit, _ := strconv.Atoi(req.URL.Query().Get("limit"))
	limit = min(limit, 50)
	from := min((page-1)*limit, len(g.repositories))
	to := min(from+limit, len(g.repositories))
	var links []string
	if to < len(g.repositories) {
		links = append(links, fmt.Sprintf(`<http://other.example.org%s?limit=%d&page=%d>; rel="next"`, req.URL.Path, limit, page+1))
	}
	if page > 1 {
		links = append(links, fmt.Sprintf(`<http://other.example.org%s?limit=%d&page=%d>; rel="prev"`, req.URL.Path, limit, page-1))
	}
	if len(links) > 0 && !g.silent {
		w.Header().Set("Link", strings.Join(links, ","))
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(len(g.repositories)))
	list := g.repositories[from:to]
	if list = list[min(max(g.hidden-from, 0), len(list)):]; list == nil {
		list = []map[string]any{}
	}
	_ = json.NewEncoder(w).Encode(list)
}

func repositories(count int) []map[string]any {
	list := make([]map[string]any, count)
	for i := range list {
		name := fmt.Sprintf("recipe-%03d", i)
		list[i] = map[string]any{
			"id": i + 1, "owner": map[string]any{"login": "recipes"}, "name": name, "full_name": "recipes/" + name,
			"empty": i == 1, "private": false, "fork": false, "mirror": false, "size": 24, "archived": i == 2,
			"html_url": "https://git.example.org/recipes/" + name, "ssh_url": "git@git.example.org:recipes/" + name + ".git",
			"clone_url": "https://git.example.org/recipes/" + name + ".git", "default_branch": "main", "object_format_name": "sha1",
		}
	}
	return list
}

func owner(t *testing.T, handler http.Handler) Owner {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o, err := Parse(server.URL + "/recipes")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestRepositories(t *testing.T) {
	for _, c := range []struct {
		what  string
		gitea *gitea
		names int
		asked int
	}{
		{"none", &gitea{}, 0, 1},
		{"one page", &gitea{repositories: repositories(3)}, 3, 1},
		{"a full page", &gitea{repositories: repositories(50)}, 50, 1},
		{"three pages", &gitea{repositories: repositories(123)}, 123, 3},
		{"a user", &gitea{repositories: repositories(60), user: true}, 60, 3},
		{"a page of which nothing is shown", &gitea{repositories: repositories(123), hidden: 70}, 53, 3},
		{"no links", &gitea{repositories: repositories(123), silent: true}, 123, 3},
	} {
		t.Run(c.what, func(t *testing.T) {
			list, err := owner(t, c.gitea).Repositories(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != c.names || len(c.gitea.asked) != c.asked {
				t.Errorf("%d repositories in the requests %v; want %d in %d", len(list), c.gitea.asked, c.names, c.asked)
			}
			if c.names < 3 || c.gitea.hidden > 0 {
				return
			}
			want := []Repository{
				{Name: "recipe-000", CloneURL: "https://git.example.org/recipes/recipe-000.git", SSHURL: "git@git.example.org:recipes/recipe-000.git"},
				{Name: "recipe-001", CloneURL: "https://git.example.org/recipes/recipe-001.git", SSHURL: "git@git.example.org:recipes/recipe-001.git", Empty: true},
				{Name: "recipe-002", CloneURL: "https://git.example.org/recipes/recipe-002.git", SSHURL: "git@git.example.org:recipes/recipe-002.git", Archived: true},
			}
			if diff := cmp.Diff(want, list[:3]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestServersThatDoNotList(t *testing.T) {
	answers := func(status int, kind, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	const kind = "application/json"
	repeats := answers(200, kind, `[{"name":"a"}]`, "Link", `<x>; rel="next"`)
	endless := func(w http.ResponseWriter, req *http.Request) {
		answers(200, kind, `[{"name":"a`+req.URL.Query().Get("page")+`"}]`, "Link", `<x>; rel="next"`)(w, req)
	}
	for what, c := range map[string]struct {
		handler      http.HandlerFunc
		reason, hint string
	}{
		"HTML":          {answers(200, "text/html", "<html>welcome"), "text/html", "Gitea or Forgejo"},
		"no list":       {answers(200, kind, `{"ok":true}`), "no list of repositories", ""},
		"cut off":       {answers(200, kind, `[{"name":`), "no list of repositories", ""},
		"401":           {answers(401, kind, `{}`), "401 Unauthorized", "token"},
		"403":           {answers(403, kind, `{}`), "403 Forbidden", "token"},
		"404":           {answers(404, kind, `{}`), `no organisation or user of "recipes"`, "check the name"},
		"410":           {answers(410, kind, `{}`), "410 Gone", "ask who runs"},
		"429, far away": {answers(429, kind, `{}`, "Retry-After", "3600"), "429 Too Many Requests, and wants to be asked again in 1h0m0s", "later"},
		"500":           {answers(500, kind, `{}`), "500 Internal Server Error", "later"},
		"a redirect loop": {func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, req.URL.String(), http.StatusFound)
		}, "more than 5 redirects", ""},
		"a page again":     {repeats, "page 2 of the list repeats", ""},
		"pages for ever":   {endless, "more than 1000 pages", ""},
		"a huge page":      {answers(200, kind, `["`+strings.Repeat("x", maxAnswer)+`"]`), "more than 8388608 bytes", ""},
		"a shorter answer": {answers(200, kind, "[]", "Content-Length", "100"), "cut short", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			list, err := owner(t, c.handler).Repositories(t.Context(), Options{Token: "s3cret"})
			if err == nil || !strings.Contains(err.Error(), c.reason) || !strings.Contains(fault.HintOf(err), c.hint) || list != nil {
				t.Errorf("list = %v, error = %v, hint %q; want %q", list, err, fault.HintOf(err), c.reason)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "s3cret") || strings.Contains(text, "\n") || strings.Contains(text, "limit=") {
				t.Errorf("error = %q", text)
			}
		})
	}
}

func TestServerIsAskedAgainWhenItSaysSo(t *testing.T) {
	g := &gitea{repositories: repositories(3)}
	refusals := []string{"1", ""}
	start := time.Now()
	list, err := owner(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if len(refusals) > 0 {
			w.Header().Set("Retry-After", refusals[0])
			w.WriteHeader(http.StatusServiceUnavailable)
			refusals = refusals[1:]
			return
		}
		g.ServeHTTP(w, req)
	})).Repositories(t.Context(), Options{})
	if err != nil || len(list) != 3 {
		t.Errorf("list = %v, %v", list, err)
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("asked again after %v, want a second at least", took)
	}
}

func TestListStopsInTime(t *testing.T) {
	stall := make(chan struct{})
	t.Cleanup(func() { close(stall) })
	o := owner(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("[")) // and no more
		_ = http.NewResponseController(w).Flush()
		select {
		case <-stall:
		case <-req.Context().Done():
		}
	}))
	if _, err := o.Repositories(t.Context(), Options{Timeout: 100 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the deadline", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Repositories(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want canceled", err)
	}
}

func TestTokenGoesToItsServerAlone(t *testing.T) {
	var got []string
	note := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			got = append(got, req.Header.Get("Authorization"))
			next.ServeHTTP(w, req)
		})
	}
	elsewhere := httptest.NewServer(note(&gitea{repositories: repositories(1)}))
	t.Cleanup(elsewhere.Close)
	o := owner(t, note(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, elsewhere.URL+req.URL.String(), http.StatusTemporaryRedirect)
	})))
	if list, err := o.Repositories(t.Context(), Options{Token: "s3cret"}); err != nil || len(list) != 1 {
		t.Fatalf("list = %v, %v", list, err)
	}
	if want := []string{"token s3cret", ""}; !cmp.Equal(got, want) {
		t.Errorf("servers were sent %q, want %q", got, want)
	}
}

func TestRedirectsStayEncrypted(t *testing.T) {
	plain := httptest.NewServer(&gitea{repositories: repositories(1)})
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, plain.URL+req.URL.String(), http.StatusFound)
	}))
	t.Cleanup(secure.Close)
	o, err := Parse(secure.URL + "/recipes")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Repositories(t.Context(), Options{Client: secure.Client()}); err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("error = %v", err)
	}
}

func TestParse(t *testing.T) {
	for address, want := range map[string]string{
		"https://git.example.org/recipes":     "https://git.example.org/recipes",
		"https://Git.Example.org/recipes/":    "https://git.example.org/recipes",
		"https://example.org:8443/git/co-op/": "https://example.org:8443/git/co-op",
		"http://localhost:3000/a.b_c-d":       "http://localhost:3000/a.b_c-d",
	} {
		if o, err := Parse(address); err != nil || o.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", address, o, err, want)
		}
	}
	for _, address := range []string{
		"", "recipes", "git.example.org/recipes", "ssh://git.example.org/recipes", "https://git.example.org", "https://git.example.org/",
		"https://git.example.org/a/..", "https://git.example.org/recipes?x=1", "https://u:s3cret@git.example.org/recipes", "https://%zz/a",
	} {
		if o, err := Parse(address); err == nil || fault.KindOf(err) != fault.Usage || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Parse(%q) = %v, %v", address, o, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "7": 7 * time.Second, "99999999999": 365 * 24 * time.Hour,
		"Mon, 06 May 2024 07:09:09 GMT": time.Minute, "Mon, 06 May 2024 07:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("Retry-After %q is %v, want %v", value, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("application/json", "3", `<x>; rel="next"`, []byte(`[{"name":"a","clone_url":"https://h/a"}]`))
	f.Add("text/html", "-1", "", []byte(`{}`))
	f.Fuzz(func(t *testing.T, kind, total, link string, data []byte) {
		header := http.Header{"Content-Type": {kind}, "X-Total-Count": {total}, "Link": {link}}
		if a, err := read(header, data); err == nil && (a.total < -1 || a.size != len(data)) {
			t.Errorf("%+v", a)
		}
	})
}
