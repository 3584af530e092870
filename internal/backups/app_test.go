package backups

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hangs is how long galley may take for anything here.
const hangs = 3 * time.Minute

// app is one stack of one test, with an operator of its own.
type app struct {
	*stage
	t             *testing.T
	domain, stack string
	home          string
}

// newApp deploys the recipe with these lines in its env file in place of the sample's.
func newApp(t *testing.T, s *stage, name string, env ...string) *app {
	t.Helper()
	return newAppWith(t, s, name, func(*app) {}, env...)
}

// newAppWith is newApp, with something done before the deploy.
func newAppWith(t *testing.T, s *stage, name string, before func(*app), env ...string) *app {
	t.Helper()
	a := &app{stage: s, t: t, domain: name + ".example.org", stack: name + "_example_org", home: t.TempDir()}
	a.must("new", "box", "--domain", a.domain)
	seed(t, a.repository())
	if err := os.WriteFile(filepath.Join(a.galleyDir(), "backup-password"), []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.set(env...)
	before(a)
	a.must("secret", "generate", a.domain)
	a.must("deploy", a.domain, "--yes")
	t.Cleanup(a.clean)
	return a
}

// password is that of testdata/repository.
const password = "testing"

// seed makes a repository from testdata/repository: one that restic made, but for its key,
// which takes a thousandth of the work to check (scrypt with N=1024). With restic's own
// each of its starts takes half a second.
func seed(t *testing.T, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS("testdata/repository")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data", "index", "locks", "snapshots"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// clean takes the app away with all that it has.
func (a *app) clean() {
	if r := a.run("undeploy", a.domain, "--purge", "--yes"); r.code != 0 && r.code != 3 {
		a.t.Errorf("cleaning up: %v", r)
	}
}

// within makes a subtest the one that fails, until the returned function is called.
func (a *app) within(t *testing.T) func() {
	outer := a.t
	a.t = t
	return func() { a.t = outer }
}

// galleyDir is the operator's folder, envFile the app's own in it.
func (a *app) galleyDir() string { return filepath.Join(a.home, "galley") }
func (a *app) envFile() string {
	return filepath.Join(a.galleyDir(), "servers", "default", a.domain+".env")
}

// repository is the default one.
func (a *app) repository() string { return filepath.Join(a.galleyDir(), "backups") }

// set changes lines of the env file, NAME=value each.
func (a *app) set(lines ...string) {
	a.t.Helper()
	text := read(a.t, a.envFile())
	for _, line := range lines {
		name, _, _ := strings.Cut(line, "=")
		text = regexp.MustCompile(`(?m)^`+name+`=.*$`).ReplaceAllLiteralString(text, line)
	}
	if err := os.WriteFile(a.envFile(), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// volume is where the engine has a volume of the app.
func (a *app) volume(key string) string {
	return filepath.Join(a.data, "volumes", a.stack+"_"+key, "_data")
}

// put writes a file of the volume data.
func (a *app) put(name, text string) {
	a.t.Helper()
	if err := write(filepath.Join(a.volume("data"), name), text); err != nil {
		a.t.Fatal(err)
	}
}

// holds wants a file of the volume data to have that text.
func (a *app) holds(name, want string) {
	a.t.Helper()
	if got := read(a.t, filepath.Join(a.volume("data"), name)); got != want {
		a.t.Errorf("%s holds %.80q, want %.80q", name, got, want)
	}
}

// hooks counts the post-hooks that ran.
func (a *app) hooks() int {
	return strings.Count(read(a.t, filepath.Join(a.volume("notes"), "hooks")), "post")
}

// exited is galley that has ended.
type exited struct {
	args     []string
	code     int // -1 when a signal ended it
	out, err string
}

func (e exited) String() string {
	return fmt.Sprintf("galley app %s\nexit code %d\n%s%s", strings.Join(e.args, " "), e.code, e.out, e.err)
}

// process is galley at work.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	args     []string
	out      bytes.Buffer
	err      said
	ended    chan struct{}
	failed   error
	released context.CancelFunc
}

// start starts galley app ARGUMENT….
func (a *app) start(args ...string) *process {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	p := &process{t: a.t, args: args, ended: make(chan struct{}), released: cancel}
	p.cmd = exec.CommandContext(ctx, a.galley, append([]string{"app"}, args...)...)
	p.cmd.Env, p.cmd.Dir = a.env(a.home), a.home
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.WaitDelay = 10 * time.Second
	if err := p.cmd.Start(); err != nil {
		cancel()
		a.t.Fatal(err)
	}
	go func() {
		p.failed = p.cmd.Wait()
		if ctx.Err() != nil {
			p.failed = fmt.Errorf("galley did not end within %s", hangs)
		}
		close(p.ended)
	}()
	return p
}

// wait waits for its end.
func (p *process) wait() exited {
	p.t.Helper()
	<-p.ended
	p.released()
	e := exited{args: p.args, code: p.cmd.ProcessState.ExitCode(), out: p.out.String(), err: p.err.String()}
	var exit *exec.ExitError
	if p.failed != nil && !errors.As(p.failed, &exit) {
		p.t.Fatalf("%v: %v", e, p.failed)
	}
	return e
}

// signal sends one, unless it has ended.
func (p *process) signal(s os.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		p.t.Error(err)
	}
}

// untilSaid waits until it has said something on standard error; false is its end.
func (p *process) untilSaid(text string) bool {
	for {
		if strings.Contains(p.err.String(), text) {
			return true
		}
		select {
		case <-p.ended:
			return strings.Contains(p.err.String(), text)
		case <-p.err.more():
		}
	}
}

// said is what a process says while it does.
type said struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// more is closed when something more is said, or after a moment: it may have been said
// since the caller looked.
func (s *said) more() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
		changed := s.changed
		time.AfterFunc(50*time.Millisecond, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.changed == changed {
				close(changed)
				s.changed = nil
			}
		})
	}
	return s.changed
}

// run runs galley app ARGUMENT… to its end.
func (a *app) run(args ...string) exited {
	a.t.Helper()
	return a.start(args...).wait()
}

// exits wants an exit code, and all the words in what is said.
func (a *app) exits(code int, words []string, args ...string) exited {
	a.t.Helper()
	return a.ended(a.run(args...), code, words...)
}

func (a *app) ended(e exited, code int, words ...string) exited {
	a.t.Helper()
	if e.code != code {
		a.t.Fatalf("want exit code %d: %v", code, e)
	}
	for _, word := range words {
		if !strings.Contains(e.out+e.err, word) {
			a.t.Errorf("it does not say %q: %v", word, e)
		}
	}
	return e
}

// must wants exit code 0.
func (a *app) must(args ...string) exited {
	a.t.Helper()
	return a.exits(0, nil, args...)
}

// backUp makes a backup and gives its run.
func (a *app) backUp(flags ...string) string {
	a.t.Helper()
	e := a.must(append([]string{"backup", "create", a.domain, "-o", "json"}, flags...)...)
	lines := strings.Split(strings.TrimSpace(e.out), "\n")
	var made struct {
		Type string `json:"type"`
		Run  string `json:"run"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &made); err != nil || made.Type != "backup" || made.Run == "" {
		a.t.Fatalf("%v: the last line is no backup: %v", err, e)
	}
	return made.Run
}

// restore restores a run, and wants it to converge.
func (a *app) restore(run string, flags ...string) exited {
	a.t.Helper()
	return a.exits(0, []string{"converged, 1 container verified"}, append([]string{"restore", a.domain, run, "--yes"}, flags...)...)
}
