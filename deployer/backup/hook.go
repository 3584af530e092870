package backup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// DefaultHookTimeout is how long a hook may take: a dump of a large database does.
const DefaultHookTimeout = 30 * time.Minute

// hookShell runs a command such that a failure inside a pipe is one of the whole: a dump
// that died half way must not pass because gzip behind it ended well. bash knows how;
// so do most other shells of containers, and those that do not are asked first. A
// shell that the command itself starts by its name does the same.
//
// A hook that goes on although its galley died is ended before, with all that it started:
// two of them would write one dump. What a hook that ended has left running stays: it may
// be a service that it started again.
const hookShell = `
for p in /proc/[0-9]*; do
other=$({ tr '\0' '\n' <"$p/cmdline" | grep '^` + hookName + `'; } 2>/dev/null) || continue
if [ "$other" = "$0" ]; then continue; fi
for q in /proc/[0-9]*; do
if grep -q "` + hookMark + `=${other#` + hookName + `}" "$q/environ" 2>/dev/null; then kill -KILL "${q#/proc/}" 2>/dev/null; fi
done
done
if command -v bash >/dev/null 2>&1; then
exec bash -o pipefail -c 'sh() { command bash -o pipefail "$@"; }; bash() { command bash -o pipefail "$@"; }; eval "$1"' "$0" "$1"
fi
if (set -o pipefail) 2>/dev/null; then set -o pipefail; sh() { command sh -o pipefail "$@"; }; fi
eval "$1"`

// endHook ends what a hook has started and everything that it started: engines have no
// way to. Each of those has the hook's mark in its environment.
const endHook = `for p in /proc/[0-9]*; do
if grep -q "` + hookMark + `=$1" "$p/environ" 2>/dev/null; then kill -KILL "${p#/proc/}" 2>/dev/null; fi
done`

const (
	// hookMark names the variable that marks a hook's processes.
	hookMark = "GALLEY_HOOK_MARK"
	// hookName begins the name of a hook's shell, before its mark.
	hookName = "galley-hook-"
)

// maxHookOutput is how much of what a hook writes is kept for an error, in bytes.
const maxHookOutput = 2 << 10

// run runs a hook in a container of its service and waits for its end, at most within. It
// is the container that it ran in.
func (h Hook) run(ctx context.Context, e *deployer.Engine, stack, what string, within time.Duration) (*deployer.Container, error) {
	c, err := e.Inside(ctx, stack, h.Service, 0)
	if err != nil {
		return nil, fmt.Errorf("running the %s of service %q: %w", what, h.Service, err)
	}
	mark := rand.Text()
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(within, DefaultHookTimeout))
	defer cancel()
	out := &lastOutput{}
	code, err := c.Exec(bounded, deployer.ExecOptions{
		Command: []string{"sh", "-c", hookShell, hookName + mark, h.Command}, Env: []string{hookMark + "=" + mark}, Stdout: out, Stderr: out,
	})
	if bounded.Err() != nil {
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		_, _ = c.Exec(end, deployer.ExecOptions{Command: []string{"sh", "-c", endHook, "end", mark}, User: "0", Stdout: &lastOutput{}, Stderr: &lastOutput{}})
		stop()
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(bounded.Err(), context.DeadlineExceeded):
		err := fault.New(fault.Unavailable, "the %s of service %q did not end within %s", what, h.Service, cmp.Or(within, DefaultHookTimeout))
		return nil, fault.Hint(err, "--hook-timeout gives it longer; what it started in the container was told to end")
	case err != nil:
		return nil, fmt.Errorf("running the %s of service %q: %w", what, h.Service, err)
	case code != 0:
		err := fault.New(fault.Unavailable, "the %s of service %q ended with %d: %s", what, h.Service, code, out)
		return nil, fault.Hint(err, "galley app run reaches into the container; the command stands in the recipe's labels")
	}
	return c, nil
}

// lastOutput keeps the end of what is written to it.
type lastOutput struct{ buf bytes.Buffer }

func (l *lastOutput) Write(p []byte) (int, error) {
	n := len(p)
	l.buf.Write(p[max(0, len(p)-maxHookOutput):])
	if over := l.buf.Len() - maxHookOutput; over > 0 {
		l.buf.Next(over)
	}
	return n, nil
}

// String is the output in one line.
func (l *lastOutput) String() string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(l.buf.String(), "?")), " ")
	if text == "" {
		return "it wrote nothing"
	}
	return text
}
