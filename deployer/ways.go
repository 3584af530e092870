package deployer

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// dialTimeout bounds one attempt to reach an engine where another may be asked
// instead: a lock's beat must come through before the lock is stale.
const dialTimeout = 5 * time.Second

// way is one way to an engine.
type way struct {
	name    string // as the operator wrote it: a docker context, an address, DefaultServer
	where   string // its address
	options []client.Opt
}

// wayTo finds how to reach a docker context, an address, or DefaultServer.
func wayTo(name string) (w way, err error) {
	w.name = name
	if strings.Contains(name, "://") {
		w.options, w.where, err = address(name)
		return w, err
	}
	w.options, w.where, err = connection(name)
	return w, err
}

// address is the way to an engine that is named by its address. One behind TLS gets
// the certificates that DOCKER_CERT_PATH names, like one in DOCKER_HOST.
func address(where string) ([]client.Opt, string, error) {
	if strings.HasPrefix(where, "ssh://") {
		return overSSH(where)
	}
	return []client.Opt{client.WithTLSClientConfigFromEnv(), client.WithHost(where)}, where, nil
}

// dialer opens plain connections to the way's engine, with TLS inside where the
// environment asks for it.
func (w way) dialer() (func(context.Context) (net.Conn, error), error) {
	if strings.HasPrefix(w.where, "ssh://") {
		helper, err := connhelper.GetConnectionHelper(w.where)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (net.Conn, error) { return helper.Dialer(ctx, "", "") }, nil
	}
	u, err := client.ParseHostURL(w.where)
	if err != nil {
		return nil, err
	}
	var plain net.Dialer
	if u.Scheme == "unix" {
		return func(ctx context.Context) (net.Conn, error) { return plain.DialContext(ctx, "unix", u.Host) }, nil
	}
	if u.Scheme != "tcp" && u.Scheme != "http" {
		return nil, fmt.Errorf("there is no failing over to %q", w.where)
	}
	config, err := w.tls(u)
	if err != nil || config == nil {
		return func(ctx context.Context) (net.Conn, error) { return plain.DialContext(ctx, "tcp", u.Host) }, err
	}
	secure := tls.Dialer{Config: config}
	return func(ctx context.Context) (net.Conn, error) { return secure.DialContext(ctx, "tcp", u.Host) }, nil
}

// tls is what the docker client makes of DOCKER_CERT_PATH and DOCKER_TLS_VERIFY, for
// the ways that it heeds them for: nil for none.
func (w way) tls(u *url.URL) (*tls.Config, error) {
	dir := os.Getenv(client.EnvOverrideCertPath)
	if dir == "" || w.name != DefaultServer && w.name != "" && w.name != w.where {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading the certificates in DOCKER_CERT_PATH: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading the certificates in DOCKER_CERT_PATH: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("reading %s: expected certificates", filepath.Join(dir, "ca.pem"))
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: os.Getenv(client.EnvTLSVerify) == "", //nolint:gosec // the docker client's own reading of it
	}, nil
}

// waysTo are a server's own way and those to its other nodes, each once.
func waysTo(server string, nodes []string) ([]way, error) {
	first, err := wayTo(server)
	if err != nil {
		return nil, err
	}
	all := []way{first}
	for _, name := range nodes {
		w, err := wayTo(name)
		if err != nil {
			return nil, fmt.Errorf("looking for node %q of server %q: %w", name, server, err)
		}
		if w.where != first.where {
			all = append(all, w)
		}
	}
	return all, nil
}

// Connect opens the engine behind a server's name and checks that it is a swarm
// manager. Nothing is changed. Errors say which of the three failed: the name,
// the connection, the swarm.
//
// nodes are other engines of that swarm, as Dir.Nodes gives them. When the server's
// own does not answer, or has lost the swarm's other managers, the next manager
// among them is taken, and Engine.Warnings says so. A deploy whose manager dies goes
// on with another of them.
func Connect(ctx context.Context, server string, nodes ...string) (*Engine, error) {
	all, err := waysTo(server, nodes)
	if err != nil {
		return nil, err
	}
	if len(all) == 1 {
		return open(ctx, server, all[0].where, all[0].options)
	}
	var warnings []string
	var first error
	for i, w := range all {
		e, err := openBy(ctx, server, w)
		if err == nil {
			e.fleet.begin(all, i)
			if i > 0 {
				warnings = append(warnings, fmt.Sprintf("connected to node %s of server %q instead", w.name, server))
			}
			e.Warnings = warnings
			return e, nil
		}
		if i == 0 {
			first = err
		}
		if i == 0 && !isUnreached(err) || ctx.Err() != nil {
			return nil, err
		}
		warnings = append(warnings, oneLine(err.Error()))
	}
	return nil, fault.Hint(fmt.Errorf("%w; nor does any of the %d nodes that are named beside it", first, len(all)-1), "is the engine running, and may this user reach it?")
}

// openBy opens an engine whose connection can move to another.
func openBy(ctx context.Context, server string, w way) (*Engine, error) {
	dial, err := w.dialer()
	if err != nil {
		return nil, fmt.Errorf("connecting to server %q: %w", server, err)
	}
	r := &roads{all: []road{{name: w.name, dial: dial}}}
	options := []client.Opt{client.WithHost("tcp://" + cmp.Or(server, DefaultServer)), client.WithDialContext(r.dial), client.WithVersionFromEnv()}
	attempt, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	return openOn(attempt, server, w.where, options, r)
}

// firstAnswer is how long an engine may take to say what it is, where there is
// another one to ask.
const firstAnswer = 10 * time.Second

// isUnreached tells an engine that does not answer, or that cannot answer for its
// swarm, from one that answered and is the wrong one.
func isUnreached(err error) bool {
	return errors.Is(err, errConnection) || errors.Is(err, errNoLeader) || errors.Is(err, context.DeadlineExceeded)
}

var (
	errConnection = errors.New("connection failed")
	errNoLeader   = errors.New("it cannot reach enough of the swarm's managers")
)

// road is a way that has been found good.
type road struct {
	name string
	dial func(context.Context) (net.Conn, error)
}

// roads dials the engine that was dialled last, and when that one does not take the
// connection, the next. No request has been sent then, so none is sent twice.
type roads struct {
	mu    sync.Mutex
	all   []road
	now   int      // to be dialled first
	taken int      // dialled last
	moves []string // names of roads that were taken since somebody asked
}

// add appends a road to another manager of the same swarm.
func (r *roads) add(more road) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, more)
}

// atHome tells whether the connection is where it was opened.
func (r *roads) atHome() bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken == 0
}

// leave makes the next dial try another engine first, if there is one.
func (r *roads) leave() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = (r.now + 1) % len(r.all)
	return len(r.all) > 1
}

func (r *roads) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	r.mu.Lock()
	all, start := r.all, r.now
	r.mu.Unlock()
	var first error
	for i := range all {
		at := (start + i) % len(all)
		conn, err := dialWithin(ctx, all[at], len(all) > 1)
		if err == nil {
			r.settle(at)
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func dialWithin(ctx context.Context, to road, bounded bool) (net.Conn, error) {
	if !bounded {
		return to.dial(ctx)
	}
	type dialled struct {
		conn net.Conn
		err  error
	}
	// A dialler over ssh ends its command with the context: it must outlive the dial.
	attempt, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan dialled, 1)
	go func() {
		conn, err := to.dial(attempt)
		done <- dialled{conn, err}
	}()
	giveUp := func(err error) (net.Conn, error) {
		cancel()
		go func() {
			if d := <-done; d.conn != nil {
				_ = d.conn.Close()
			}
		}()
		return nil, err
	}
	timer := time.NewTimer(dialTimeout)
	defer timer.Stop()
	select {
	case d := <-done:
		if d.err != nil {
			cancel()
			return nil, d.err
		}
		return &dialledConn{d.conn, cancel}, nil
	case <-timer.C:
		return giveUp(fmt.Errorf("dialling node %s: no answer within %s", to.name, dialTimeout))
	case <-ctx.Done():
		return giveUp(ctx.Err())
	}
}

// dialledConn frees with the connection what dialled it.
type dialledConn struct {
	net.Conn
	cancel context.CancelFunc
}

func (c *dialledConn) Close() error {
	defer c.cancel()
	return c.Conn.Close()
}

// CloseWrite ends what is sent: attached standard input needs it.
func (c *dialledConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (r *roads) settle(at int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken != at {
		r.moves = append(r.moves, r.all[at].name)
	}
	r.now, r.taken = at, at
}

// moved lists where the connection went since the last call.
func (r *roads) moved() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	moves := r.moves
	r.moves = nil
	return moves
}
