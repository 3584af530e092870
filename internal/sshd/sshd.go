// Package sshd starts and stops a private ssh server on the loopback, for tests of
// what goes over ssh: the real sshd, with a configuration, host keys and authorised
// keys of its own, in a PID and mount namespace of its own. A session runs as the
// user that logs in, sees the machine's files but an empty /run, and finds what
// Options.Env says in its environment. Killing the server ends its sessions, and so
// does the end of its owner.
//
// The package refuses to read or change the machine's /etc/ssh, anybody's ~/.ssh and
// a running ssh service.
package sshd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	readyTimeout = 20 * time.Second
	pollInterval = 20 * time.Millisecond
	portTries    = 5
)

// Options says what server to start. The zero value lets root in, with one key.
type Options struct {
	// Dir keeps the server's files and is removed by Close; it must not exist.
	// Default: a fresh directory in os.TempDir().
	Dir string
	// Env is what every session finds in its environment. Values have no blanks and
	// no quotes.
	Env map[string]string
}

// Server is a running ssh server. Close must be called.
type Server struct {
	// Addr is where it listens: "127.0.0.1:PORT".
	Addr string
	// Port is the number in Addr.
	Port int

	dir  string
	main *process
}

// hostKeys are the kinds of host keys that a server has, the one that ssh prefers
// first.
var hostKeys = []string{"ed25519", "ecdsa"}

// Start starts a server and waits until it greets. On error nothing is left behind.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	s := &Server{dir: opts.Dir}
	err := s.prepare(ctx)
	if err == nil {
		err = s.bringUp(ctx, opts.Env)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting a private ssh server: %w", err), s.Close())
	}
	return s, nil
}

// Log is what the server wrote so far.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text)
}

// Fingerprints are the host keys' as ssh prints them, "SHA256:…", the one that ssh
// prefers first.
func (s *Server) Fingerprints() ([]string, error) {
	var all []string
	for _, kind := range hostKeys {
		out, err := run(context.Background(), "ssh-keygen", "-l", "-E", "sha256", "-f", s.hostKey(kind)+".pub")
		if err != nil {
			return nil, err
		}
		all = append(all, strings.Fields(out)[1])
	}
	return all, nil
}

// HostKey is the preferred host key as known_hosts has it behind the host's name:
// "ssh-ed25519 AAAA…".
func (s *Server) HostKey() (string, error) {
	text, err := os.ReadFile(s.hostKey(hostKeys[0]) + ".pub")
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(text))
	return fields[0] + " " + fields[1], nil
}

// KnownHosts is the line by which a client knows the server.
func (s *Server) KnownHosts() (string, error) {
	key, err := s.HostKey()
	return fmt.Sprintf("[127.0.0.1]:%d %s\n", s.Port, key), err
}

// Close ends the server and all sessions, and removes its files.
func (s *Server) Close() error {
	if s.main != nil {
		s.main.kill()
		s.main = nil
	}
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

func (s *Server) hostKey(kind string) string { return filepath.Join(s.dir, "host_"+kind) }

func (s *Server) authorized() string { return filepath.Join(s.dir, "authorized_keys") }

// prepare makes the directory and the host keys.
func (s *Server) prepare(ctx context.Context) (err error) {
	if s.dir == "" {
		s.dir, err = os.MkdirTemp("", "galley-sshd-")
	} else {
		err = os.Mkdir(s.dir, 0o700)
	}
	if err != nil {
		s.dir = "" // not ours to remove
		return err
	}
	for _, kind := range hostKeys {
		if err := makeKey(ctx, kind, s.hostKey(kind)); err != nil {
			return err
		}
	}
	return os.WriteFile(s.authorized(), nil, 0o600)
}

// bringUp starts the server. A port that was free a moment ago can be taken: then
// another one is tried.
func (s *Server) bringUp(ctx context.Context, env map[string]string) (err error) {
	for range portTries {
		if s.Port, err = freePort(); err != nil {
			return err
		}
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
		if err = s.writeConfig(env); err != nil {
			return err
		}
		if s.main, err = spawn(s.dir); err != nil {
			return err
		}
		if err = s.awaitGreeting(ctx); err == nil {
			return nil
		}
		s.main.kill()
	}
	return fmt.Errorf("%w; its last words: %s", err, strings.Join(strings.Fields(s.Log()), " "))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) writeConfig(env map[string]string) error {
	lines := []string{
		"ListenAddress " + s.Addr,
		"PidFile none",
		"AuthorizedKeysFile " + s.authorized(),
		"StrictModes no", // a test's folder may be below one that others can write
		"UsePAM no",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"PermitRootLogin prohibit-password",
		"PermitUserEnvironment no",
		"MaxStartups 100", // sessions that begin at the same time must not be turned away
		"LogLevel VERBOSE",
	}
	for _, kind := range hostKeys {
		lines = append(lines, "HostKey "+s.hostKey(kind))
	}
	if len(env) > 0 { // one line: the first that sets wins
		set := "SetEnv"
		for _, name := range slices.Sorted(maps.Keys(env)) {
			set += fmt.Sprintf(" %s=%s", name, env[name])
		}
		lines = append(lines, set)
	}
	return os.WriteFile(filepath.Join(s.dir, "sshd_config"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// awaitGreeting waits until the server says which protocol it speaks.
func (s *Server) awaitGreeting(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := greeted(ctx, s.Addr)
		if err == nil {
			return nil
		}
		select {
		case <-s.main.done:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

func greeted(ctx context.Context, addr string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if until, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(until)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "SSH-2.0-") {
		err = fmt.Errorf("something else answers there: %q", line)
	}
	return err
}

func makeKey(ctx context.Context, kind, name string) error {
	_, err := run(ctx, "ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "galley-test", "-f", name)
	return err
}

// run runs a program for at most half a minute and returns what it printed.
func run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running %s: %w: %s", name, err, strings.Join(strings.Fields(string(out)), " "))
	}
	return string(out), nil
}
