package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// hangs is how long galley may take for anything: the longest of its limits that a
// step can run into are the recipe's three minutes to converge, and five to put back.
const hangs = 10 * time.Minute

// process is galley at work.
type process struct {
	cmd            *exec.Cmd
	args           []string
	stdout, stderr bytes.Buffer
	ended          chan struct{}
	err            error
	home           string // whose env file it is to write
	wanted         version
}

// exited is what is left of one that ended.
type exited struct {
	*process
	code    int
	early   bool // ctrl-C came before galley listened to it, and ended it
	outcome outcome
}

// outcome is what galley said of a deploy, as JSON.
type outcome struct {
	Verdict string `json:"verdict"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
	Error   struct {
		Message string `json:"message"`
		Hint    string `json:"hint"`
	} `json:"error"`
}

// invocation changes how galley is started.
type invocation struct {
	home     string   // "" is the app's
	env      []string // added
	unshared string   // a folder that is read-only for it alone
	closed   bool     // nobody reads what it prints
	text     bool
}

// start starts galley app ARGUMENT….
func (a *app) start(ctx context.Context, how invocation, args ...string) (*process, error) {
	home := or(how.home, a.home)
	args = append([]string{"app"}, args...)
	if !how.text {
		args = append(args, "-o", "json")
	}
	p := &process{args: args, ended: make(chan struct{}), home: home}
	name, argv := a.galleyPath, args
	if how.unshared != "" {
		script := `mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"`
		name, argv = "unshare", append([]string{"-m", "sh", "-c", script, "sh", how.unshared, a.galleyPath}, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, hangs)
	p.cmd = exec.CommandContext(ctx, name, argv...)
	p.cmd.Env = append(append(a.env(home), "DOCKER_HOST="+a.proxy.host), how.env...)
	p.cmd.Dir = home
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if how.closed {
		read, write, err := os.Pipe()
		if err != nil {
			cancel()
			return nil, err
		}
		_ = read.Close()
		defer write.Close()
		p.cmd.Stdout = write
	}
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		if ctx.Err() != nil {
			p.err = fmt.Errorf("galley did not end within %s: %w", hangs, ctx.Err())
		}
		cancel()
		close(p.ended)
	}()
	return p, nil
}

// deploy starts a deploy of a version.
func (a *app) deploy(ctx context.Context, how invocation, v version) (*process, error) {
	p, err := a.start(ctx, how, "deploy", a.domain, v.name, "--yes")
	if err == nil {
		p.wanted = v
	}
	return p, err
}

// wait waits for the end.
func (p *process) wait() (exited, error) {
	<-p.ended
	e := exited{process: p, code: p.cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		return e, p.err
	}
	// As shells say it. What it did before, the history and the engine tell.
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGINT {
		e.code, e.early = 128+int(syscall.SIGINT), true
	}
	// The last document is the answer. A text answer, or none at all, is no JSON:
	// what is said of it is then empty.
	for documents := json.NewDecoder(bytes.NewReader(p.stdout.Bytes())); ; {
		var o outcome
		if documents.Decode(&o) != nil {
			return e, nil
		}
		if o.Verdict != "" || o.Error.Message != "" {
			e.outcome = o
		}
	}
}

func (e exited) String() string {
	return fmt.Sprintf("galley %s\nexit code %d\n%s%s", strings.Join(e.args, " "), e.code, e.stdout.String(), e.stderr.String())
}

// must runs galley to an end with code 0.
func (a *app) must(ctx context.Context, args ...string) error {
	p, err := a.start(ctx, invocation{}, args...)
	if err != nil {
		return err
	}
	e, err := p.wait()
	if err == nil && e.code != 0 {
		err = errors.New(e.String())
	}
	return err
}

// envFile is where a home has the app's env file.
func (a *app) envFile(home string) string {
	return filepath.Join(home, "galley", "servers", "default", a.domain+".env")
}

// version is the one that the env file names.
func (a *app) version(home string) string {
	data, err := os.ReadFile(a.envFile(home))
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "TYPE="); ok {
			_, v, _ := strings.Cut(strings.TrimSpace(value), ":")
			return v
		}
	}
	return ""
}

// secondHome is another operator's, with the same env file and nothing else.
func (a *app) secondHome(name string) (string, error) {
	home := filepath.Join(filepath.Dir(a.home), name)
	if err := os.RemoveAll(home); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(a.envFile(home)), 0o700); err != nil {
		return "", err
	}
	from, err := os.Open(a.envFile(a.home))
	if err != nil {
		return "", err
	}
	defer from.Close()
	to, err := os.Create(a.envFile(home))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	return home, errors.Join(err, to.Close())
}
