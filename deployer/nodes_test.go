package deployer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

func TestNodesFile(t *testing.T) {
	d := Dir{t.TempDir()}
	if nodes, err := d.Nodes("prod"); err != nil || len(nodes) > 0 {
		t.Errorf("without a file: %q, %v", nodes, err)
	}
	path := filepath.Join(d.Root, "servers", "prod", "nodes")
	writeFile(t, path, "# all\n\nprod-2  # a context\nssh://ops@node3\r\n\tunix:///run/x.sock\nprod-2\ntcp://10.0.0.7:2376\n")
	nodes, err := d.Nodes("prod")
	if want := []string{"prod-2", "ssh://ops@node3", "unix:///run/x.sock", "tcp://10.0.0.7:2376"}; err != nil || !slices.Equal(nodes, want) {
		t.Errorf("%q, %v; want %q", nodes, err, want)
	}
	if apps, errs := d.Apps(); len(apps)+len(errs) > 0 {
		t.Errorf("it counts as an app: %v, %v", apps, errs)
	}
	for text, want := range map[string]string{
		"a\n../b\n":                             `:2: "../b" is neither`,
		"http://x\n":                            `:1: "http://x" is neither`,
		"ssh://\n":                              `:1: "ssh://" is neither`,
		"two words\n":                           `:1: "two words" is neither`,
		"tcp://a\x1b[31m\n":                     `:1: "tcp://a\x1b[31m" is neither`,
		numbered(maxNodes + 1):                  `:101: more than 100 nodes`,
		strings.Repeat("#", maxNodesFile) + "#": "is larger than 65536 bytes",
	} {
		writeFile(t, path, text)
		_, err := d.Nodes("prod")
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

func numbered(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "node%d\n", i)
	}
	return text.String()
}

// listen accepts connections at a socket and says name on each.
func listen(t *testing.T, name string) (road, net.Listener) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, name)
			_ = conn.Close()
		}
	}()
	dial, err := way{name: name, where: "unix://" + path}.dialer()
	if err != nil {
		t.Fatal(err)
	}
	return road{name, dial}, l
}

func TestRoadsLeadToTheNextWhenOneIsClosed(t *testing.T) {
	first, one := listen(t, "first")
	second, two := listen(t, "second")
	r := &roads{all: []road{first}}
	r.add(second)
	reaches := func(want string) {
		t.Helper()
		conn, err := r.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if said, err := io.ReadAll(conn); err != nil || string(said) != want {
			t.Errorf("reached %q (%v), want %s", said, err, want)
		}
	}
	reaches("first")
	if !r.atHome() || len(r.moved()) > 0 {
		t.Error("it moved without need")
	}
	_ = one.Close()
	reaches("second")
	reaches("second")
	if moved := r.moved(); r.atHome() || !slices.Equal(moved, []string{"second"}) {
		t.Errorf("at home %v, moved to %q", r.atHome(), moved)
	}
	_ = two.Close()
	if _, err := r.dial(t.Context(), "", ""); err == nil {
		t.Error("a closed road was taken")
	}
}

// leaderless answers as an engine without a leader, as often as it is told.
type leaderless struct {
	left   int
	bodies []string
}

func (l *leaderless) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.bodies = append(l.bodies, r.Method+" "+string(body))
	if l.left--; l.left >= 0 {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"message":"rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that …"}`)
		return
	}
	_, _ = io.WriteString(w, "done")
}

func TestRequestsThatMeetNoLeaderAreSentAgain(t *testing.T) {
	for _, test := range []struct {
		name, method, path string
		patient            bool
		want               int
	}{
		{"reading", "GET", "/v1.41/services", true, 3},
		{"reading without patience", "GET", "/v1.41/services", false, 1},
		{"creating", "POST", "/v1.41/configs/create", true, 3},
		{"updating", "POST", "/v1.41/services/abc/update", true, 3},
		{"removing", "DELETE", "/v1.41/networks/abc", true, 3},
		{"running something", "POST", "/v1.41/containers/abc/exec", true, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			engine := &leaderless{left: 2}
			srv := httptest.NewServer(engine)
			defer srv.Close()
			transport := &http.Transport{}
			e := &Engine{steady: install(transport)}
			if test.patient {
				defer e.bePatient(context.Background())()
			}
			req, err := http.NewRequestWithContext(t.Context(), test.method, srv.URL+test.path, strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Client{Transport: transport}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if last := string(text) == "done"; err != nil || last != (test.want == 3) {
				t.Errorf("the answer is %q, %v", text, err)
			}
			want := slices.Repeat([]string{test.method + " body"}, test.want)
			if !slices.Equal(engine.bodies, want) {
				t.Errorf("the engine got %q, want %q", engine.bodies, want)
			}
			transport.CloseIdleConnections()
			e.steady.inner.CloseIdleConnections()
		})
	}
}

func TestPatienceEndsWithTheContext(t *testing.T) {
	srv := httptest.NewServer(&leaderless{left: 1 << 20})
	defer srv.Close()
	transport := &http.Transport{}
	e := &Engine{steady: install(transport)}
	defer e.bePatient(context.Background())()
	ctx, cancel := context.WithTimeout(t.Context(), 2*retryAfter)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/services", nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err == nil {
		_ = resp.Body.Close()
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, after %s", err, time.Since(began))
	}
	e.steady.inner.CloseIdleConnections()
}

// TestSecondWriteIsRecognised sends every write twice, as it happens when a manager
// dies before it answers.
func TestSecondWriteIsRecognised(t *testing.T) {
	r := newRig(t, "twice")
	ctx, resent := noteResends(t.Context())
	resent.Store(true)
	d := r.desired("1.0.0+1", compose("1"))
	name := r.stack + "_app"
	r.twice("record", func() (string, error) {
		return r.createRecord(ctx, recordHistory, r.stack, "1_x", []byte("{}"), map[string]string{labelNumber: "1"})
	})
	if _, err := r.createRecord(ctx, recordHistory, r.stack, "1_x", []byte("[]"), map[string]string{labelNumber: "1"}); !isNameTaken(err) {
		t.Errorf("another record under the name: %v", err)
	}
	w := newWriter(r.Engine, &Stack{Name: r.stack}, nil, nil)
	for key, n := range d.Stack.Networks {
		r.twice("network", func() (string, error) { err := w.createNetwork(ctx, n); return w.networks[key], err })
	}
	for key, c := range d.Stack.Configs {
		r.twice("config", func() (string, error) { err := w.createConfig(ctx, c); return w.configs[key], err })
		c.Spec.Data = []byte("another's")
		if err := w.createConfig(ctx, c); !isNameTaken(err) {
			t.Errorf("another config under the name: %v", err)
		}
	}
	spec := d.Stack.Services[name].Spec
	r.twice("service", func() (string, error) { return w.createService(ctx, spec) })
	other := copySpec(spec)
	other.TaskTemplate.ContainerSpec.Env = append(other.TaskTemplate.ContainerSpec.Env, "MINE=no")
	if _, err := w.createService(ctx, other); !isNameTaken(err) {
		t.Errorf("another service under the name: %v", err)
	}
	standing, err := r.inspect(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	known := Service{Spec: standing.Spec, ID: standing.ID, Version: standing.Version}
	r.twice("update", func() (string, error) { return known.ID, w.updateService(ctx, known, other) })
	if now, _, _ := r.service("app"); !slices.Contains(now.TaskTemplate.ContainerSpec.Env, "MINE=no") {
		t.Error("the update was not written")
	}

	resent.Store(false)
	if _, err := r.createRecord(ctx, recordHistory, r.stack, "1_x", []byte("{}"), map[string]string{labelNumber: "1"}); !isNameTaken(err) {
		t.Errorf("a record like one that another wrote: %v", err)
	}
}

// twice wants the same ID from a write and its repetition.
func (r *rig) twice(what string, write func() (string, error)) {
	r.t.Helper()
	first, err := write()
	if err != nil || first == "" {
		r.t.Fatalf("the first %s: %q, %v", what, first, err)
	}
	if second, err := write(); err != nil || second != first {
		r.t.Errorf("the second %s is %q, %v; the first was %s", what, second, err, first)
	}
}
