package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/cli/cli/connhelper/ssh"

	"github.com/galley-coop/galley/internal/fault"
)

const (
	// loginTimeout bounds one use of the ssh program.
	loginTimeout = 30 * time.Second
	// maxSaid bounds what is kept of a program's output, in bytes.
	maxSaid = 1 << 20
	// sshFailed is the code by which ssh says that the failure is its own.
	sshFailed = 255
)

// sshTo is a machine that the ssh program reaches, by the operator's own
// configuration, keys and known hosts, as the docker client does.
type sshTo struct {
	address string
	spec    *ssh.Spec
}

func parseSSH(address string) (sshTo, error) {
	spec, err := ssh.ParseURL(address)
	if err != nil {
		return sshTo{}, fault.Wrap(fault.Usage, fmt.Errorf("address %q: %w", address, err))
	}
	return sshTo{address, spec}, nil
}

// strictly are the flags under which ssh asks nothing and takes no host key that it
// does not know, whatever its configuration says.
var strictly = []string{"-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"}

// said is how a use of ssh ended.
type said struct {
	out, err string
	code     int
}

// run runs a command on the machine, as words that its shell takes for nothing else.
// input is its standard input. An error means that ssh itself could not be run, or not
// to its end.
func (t sshTo) run(ctx context.Context, flags []string, input string, words ...string) (said, error) {
	args, err := t.spec.Command(flags, words...)
	if err != nil {
		return said{}, fmt.Errorf("running ssh: %w", err)
	}
	return runProgram(ctx, "ssh", input, args...)
}

// runProgram runs a program here, without a terminal, for at most loginTimeout.
func runProgram(ctx context.Context, name, input string, args ...string) (said, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, complaints bounded
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &complaints
	cmd.WaitDelay = 2 * time.Second
	detach(cmd)
	err := cmd.Run()
	result := said{out.String(), complaints.String(), cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result, fmt.Errorf("running %s: %w", name, context.Cause(ctx))
	case errors.Is(err, exec.ErrNotFound):
		return result, fault.Hint(fmt.Errorf("running %s: it is not installed", name), "on Debian: apt-get install openssh-client")
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return result, nil
	}
	return result, err
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxSaid - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// errHostKey is why a host is not spoken to: nobody vouched for its key.
var errHostKey = errors.New("its host key is not known")

// login logs in and does nothing there. The errors say what stands in the way; one
// about a key that is not known is errHostKey.
func (t sshTo) login(ctx context.Context) error {
	s, err := t.run(ctx, strictly, "", "true")
	if err != nil {
		return fmt.Errorf("reaching %s: %w", t.address, err)
	}
	if s.code != sshFailed {
		return nil // what the shell there thinks of "true" does not matter
	}
	return t.refusal(s.err)
}

// refusal reads what ssh, which speaks English only, says of its own failure.
func (t sshTo) refusal(words string) error {
	has := func(text string) bool { return strings.Contains(words, text) }
	switch {
	case has("REMOTE HOST IDENTIFICATION HAS CHANGED"):
		err := fault.New(fault.Refused, "the host key of %s is another one than known_hosts has: somebody stands between, or the machine was installed anew", t.address)
		return fault.Hint(err, "ask who runs the machine, by another way than this; ssh-keygen -R %s forgets the old key", t.known())
	case has("REVOKED HOST KEY"):
		return fault.New(fault.Refused, "the host key of %s is revoked in known_hosts", t.address)
	case has("Host key verification failed") || has("host key is known for"):
		err := fault.New(fault.Refused, "%s: %w", t.address, errHostKey)
		return fault.Hint(err, "galley server add tells which key it shows, and takes the right one by --host-key")
	case has("Permission denied"):
		err := fmt.Errorf("%s lets nobody in with the keys at hand: %s", t.address, lastLine(words))
		return fault.Hint(err, "ssh %s must work without a question: load a key into an ssh agent, or name it in ~/.ssh/config", t.destination())
	}
	err := fmt.Errorf("%s cannot be reached: %s", t.address, lastLine(words))
	return fault.Hint(err, "is the machine up, and is the address right? ssh %s must work", t.destination())
}

// destination is the machine as somebody writes it behind "ssh".
func (t sshTo) destination() string {
	to := t.spec.Host
	if t.spec.User != "" {
		to = t.spec.User + "@" + to
	}
	if t.spec.Port != "" {
		to = "-p " + t.spec.Port + " " + to
	}
	return to
}

// known is the host as known_hosts names it.
func (t sshTo) known() string {
	if t.spec.Port == "" || t.spec.Port == "22" {
		return t.spec.Host
	}
	return fmt.Sprintf("'[%s]:%s'", t.spec.Host, t.spec.Port)
}

// lastLine is the last line of a text that says something.
func lastLine(words string) string {
	last := "nothing was said"
	for line := range strings.Lines(words) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			last = line
		}
	}
	return last
}
