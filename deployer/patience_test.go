package deployer

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"
)

// lossy stands in front of an engine: of every write the engine gets the first try
// and galley no answer, and every third read is cut off.
type lossy struct {
	next http.Handler

	mu    sync.Mutex
	tries map[string]int
	lost  int
}

func (l *lossy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := r.Method != http.MethodGet && r.Method != http.MethodHead
	name := "reads"
	if write {
		name = r.Method + r.URL.Path
	}
	l.mu.Lock()
	l.tries[name]++
	lose := write && l.tries[name]%2 == 1 || !write && l.tries[name]%3 == 0
	if lose {
		l.lost++
	}
	l.mu.Unlock()
	if !lose {
		l.next.ServeHTTP(w, r)
		return
	}
	if write {
		l.next.ServeHTTP(httptest.NewRecorder(), r)
	}
	panic(http.ErrAbortHandler)
}

// throughLoss is an engine whose every write has to be made sure of.
func throughLoss(t *testing.T, l *lab) (*Engine, *lossy) {
	t.Helper()
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	forward.FlushInterval = -1
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	socket := strings.TrimPrefix(l.host, "unix://")
	forward.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	way := &lossy{next: forward, tries: map[string]int{}}
	server := httptest.NewServer(way)
	t.Cleanup(server.Close)
	e, err := open(t.Context(), "test", server.URL, []client.Opt{client.WithHost("tcp://" + strings.TrimPrefix(server.URL, "http://"))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e, way
}

func TestDeployOutlivesLostAnswers(t *testing.T) {
	r := newRig(t, "lossy")
	direct := r.Engine
	lossy, way := throughLoss(t, r.lab)
	r.Engine = lossy
	r.converges(r.desired("1", compose("1")))
	r.converges(r.desired("2", compose("2", "replicas: 1", "replicas: 2", "networks: [internal]", "networks: [internal, more]", "  internal: {}", "  internal: {}\n  more: {}"), "CONF_VERSION", "v2"))
	r.Engine = direct
	before := r.standing()
	r.Engine = lossy
	r.ends(r.deploy(r.desired("3", compose("3", "MODE: serve", "MODE: exit1"), "CONF_VERSION", "v3")), Failed, StatePrevious)
	r.Engine = direct
	r.isBack(before)
	if way.lost < 20 {
		t.Errorf("only %d answers were lost", way.lost)
	}
	for _, kind := range []recordKind{recordLock, recordJournal} {
		if left, err := r.records(t.Context(), kind, r.stack); err != nil || len(left) > 0 {
			t.Errorf("%d records of kind %s are left, error %v", len(left), kind, err)
		}
	}
	history, err := r.History(t.Context(), r.stack)
	if err != nil || len(history) != 3 {
		t.Errorf("the history has %d records, error %v; want 3", len(history), err)
	}
}
