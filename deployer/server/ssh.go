package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// Machine is a machine that is reached by the ssh program, so that the operator's own
// ssh configuration, agent and known hosts hold.
type Machine struct {
	user, host, port string
}

// ParseMachine reads ssh://[user@]host[:port]. A password, a path and whatever could
// be taken for an option of ssh are refused.
func ParseMachine(address string) (Machine, error) {
	bad := func(why string) (Machine, error) {
		return Machine{}, fault.Hint(fault.New(fault.Usage, "address %q: %s", withoutPassword(address), why), "write it like ssh://root@host.example.org")
	}
	u, err := url.Parse(address)
	if err != nil {
		return Machine{}, fault.Hint(fault.New(fault.Usage, "the address cannot be read"), "write it like ssh://root@host.example.org")
	}
	m := Machine{host: u.Hostname(), port: u.Port()}
	if u.User != nil {
		m.user = u.User.Username()
		if _, has := u.User.Password(); has {
			return bad("ssh takes no password in an address")
		}
		if m.user == "" {
			return bad("the user is missing before the @")
		}
	}
	switch {
	case u.Scheme != "ssh":
		return bad("expected ssh://")
	case m.host == "":
		return bad("the host is missing")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return bad("expected nothing behind the host and its port")
	case !plain(m.host) || !plain(m.user):
		return bad("unexpected characters in the host or the user")
	}
	return m, nil
}

// MachineOf is the machine that a server's name leads to, which must be by ssh.
func MachineOf(name string) (Machine, error) {
	where, err := addressOf(name)
	if err != nil {
		return Machine{}, err
	}
	if !isSSH(where) {
		err := fault.New(fault.Usage, "server %q is at %s, and galley changes machines over ssh", name, where)
		return Machine{}, fault.Hint(err, "name the machine as ssh://root@host")
	}
	return ParseMachine(where)
}

// withoutPassword is an address as it may be shown.
func withoutPassword(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	at := strings.LastIndex(rest, "@")
	if !ok || at < 0 {
		return address
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	return scheme + "://" + user + rest[at:]
}

// plain tells a host or a user that ssh and a shell take for nothing else.
func plain(word string) bool {
	return !strings.HasPrefix(word, "-") && !strings.ContainsFunc(word, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"'`$\\;&|<>(){}*?!#", r)
	})
}

// String is the machine's address, as docker contexts and nodes files have it.
func (m Machine) String() string {
	host := m.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if m.port != "" {
		host += ":" + m.port
	}
	if m.user != "" {
		host = m.user + "@" + host
	}
	return "ssh://" + host
}

// sshOptions never ask, take no host key that is not known, and give up on a machine
// that has gone silent.
var sshOptions = []string{
	"-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=15",
	"-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3",
}

// arguments are ssh's, for a command line that the user's shell there reads.
func (m Machine) arguments(line string) []string {
	args := append([]string{}, sshOptions...)
	if m.user != "" {
		args = append(args, "-l", m.user)
	}
	if m.port != "" {
		args = append(args, "-p", m.port)
	}
	return append(args, "--", m.host, line)
}

// remote runs shell commands on a machine, as root.
type remote struct {
	machine Machine
	sudo    bool // the user is not root
}

// script is one shell command of one line.
type script struct {
	text     string
	deadline time.Duration
	input    []byte // nil for none
}

const (
	// killGrace is what a command has on the machine between SIGTERM and SIGKILL.
	killGrace = 10 * time.Second
	// linkGrace is what a connection may take on top of a command's own deadline.
	linkGrace = 30 * time.Second
	// maxOutput bounds what is kept of a command's output, maxTail of its complaints.
	maxOutput = 1 << 20
	maxTail   = 8 << 10
)

// Codes of timeout(1), and of ssh itself.
const (
	codeTimedOut = 124
	codeKilled   = 128 + 9
	codeSSH      = 255
)

// failed is a command that ran, or was to run, and ended badly.
type failed struct {
	code int
	tail string
	err  error
}

func (f *failed) Error() string { return f.err.Error() }
func (f *failed) Unwrap() error { return f.err }

// run runs a command and returns what it printed. Its deadline holds on the machine
// itself; when ctx ends, or the connection, the command is ended there, too.
func (r remote) run(ctx context.Context, s script) (string, error) {
	within, cancel := context.WithTimeout(ctx, s.deadline+killGrace+linkGrace)
	defer cancel()
	cmd := exec.CommandContext(within, "ssh", r.machine.arguments(r.line(s))...)
	var out head
	var complaints tail
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.WaitDelay = killGrace + 5*time.Second
	if s.input != nil {
		cmd.Stdin = bytes.NewReader(s.input)
	} else if err := holdInput(cmd); err != nil {
		return "", err
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return out.String(), r.explain(s, err, complaints.lines(), out.String())
	}
	if out.cut {
		return "", fmt.Errorf("%s printed more than %d bytes", clip(s.text), maxOutput)
	}
	return out.String(), nil
}

// holdInput keeps the command's input open until its context ends: that is how the
// other end learns of it.
func holdInput(cmd *exec.Cmd) error {
	input, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("starting ssh: %w", err)
	}
	cmd.Cancel = input.Close
	return nil
}

// line is what the user's shell on the machine is given: one command of one line, whose
// words are quoted.
func (r remote) line(s script) string {
	limit := fmt.Sprintf("timeout -k %d %d sh -c %s", int(killGrace.Seconds()), int(s.deadline.Seconds()), quote(s.text))
	line := "export LC_ALL=C; "
	if s.input != nil {
		line += "exec " + limit
	} else {
		// The input ends with the connection. Whoever reads it then ends the command, which
		// is a process group of its own. Those of it that take their time are waited for.
		line += limit + ` </dev/null & run=$!; exec 3<&0; ` +
			`{ while read -r end; do :; done; kill "$run"; } <&3 >/dev/null 2>&1 & watch=$!; ` +
			`wait "$run"; code=$?; kill "$watch" 2>/dev/null; ` +
			fmt.Sprintf(`if [ "$code" -ge %d ]; then i=0; while [ "$i" -lt 60 ] && kill -0 -- "-$run" 2>/dev/null; do `, codeTimedOut) +
			`i=$((i+1)); if [ "$i" -gt 40 ]; then kill -KILL -- "-$run"; fi; sleep 0.2; done; fi; exit "$code"`
	}
	line = "sh -c " + quote(line)
	if r.sudo {
		line = "sudo -n " + line
	}
	return line
}

// explain says how a command failed, with the last lines of what it printed.
func (r remote) explain(s script, err error, complaints, output string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fault.Hint(fmt.Errorf("running ssh to %s: %w", r.machine, err), "galley reaches machines by the ssh program: is it installed?")
	}
	f := &failed{code: exit.ExitCode(), tail: complaints}
	if f.tail == "" {
		f.tail = lastLines(output)
	}
	switch f.code {
	case codeSSH:
		f.err = fault.Hint(fmt.Errorf("reaching %s by ssh: %s", r.machine, orNothing(f.tail)),
			"ssh %s must work without a question: a key or an agent, and a host key that is known", strings.TrimPrefix(r.machine.String(), "ssh://"))
	case codeTimedOut, codeKilled:
		f.err = fmt.Errorf("%s on %s: not done within %s: %s", clip(s.text), r.machine, s.deadline, orNothing(f.tail))
	default:
		f.err = fmt.Errorf("%s on %s: exit code %d: %s", clip(s.text), r.machine, f.code, orNothing(f.tail))
	}
	return f
}

// ran tells a command that ended with a code of its own from one that could not be run.
func ran(err error) bool {
	var f *failed
	return errors.As(err, &f) && f.code > 0 && f.code != codeSSH && f.code != codeTimedOut && f.code != codeKilled
}

// quote makes one word of text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func clip(text string) string {
	const most = 120
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func orNothing(text string) string {
	if text == "" {
		return "it printed nothing"
	}
	return text
}

// lastLines are the last that are not empty, in one, without control characters.
func lastLines(text string) string {
	const most = 5
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, printable(line))
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "; ")
}

// printable replaces what a terminal would obey.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, line)
}

// head keeps the beginning of what is written to it.
type head struct {
	bytes.Buffer
	cut bool
}

func (h *head) Write(p []byte) (int, error) {
	room := maxOutput - h.Len()
	if len(p) > room {
		h.cut = true
		h.Buffer.Write(p[:room])
		return len(p), nil
	}
	return h.Buffer.Write(p)
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxTail; over > 0 {
		t.kept = append([]byte(nil), t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) lines() string { return lastLines(string(t.kept)) }

var _ io.Writer = (*tail)(nil)

// field is the n-th field of a line, counted from 0; "" where there are fewer.
func field(line string, n int) string {
	if fields := strings.Fields(line); n < len(fields) {
		return fields[n]
	}
	return ""
}

// countOf reads a count that a command printed.
func countOf(text string) (int, error) { return strconv.Atoi(strings.TrimSpace(text)) }
