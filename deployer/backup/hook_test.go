//go:build linux

package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shells are what containers have for sh: the words that start it, and what else is on
// the PATH there.
var shells = map[string]struct {
	start    []string
	bash     bool
	pipefail bool // it must know it
}{
	"dash":          {start: []string{"dash"}},
	"dash and bash": {start: []string{"dash"}, bash: true, pipefail: true},
	"bash":          {start: []string{"bash"}, bash: true, pipefail: true},
	"busybox":       {start: []string{"busybox", "sh"}, pipefail: true},
}

// inShell is a script with its arguments in one of the shells, with little else on its PATH.
func inShell(t *testing.T, name, script string, args ...string) *exec.Cmd {
	t.Helper()
	shell := shells[name]
	bin := t.TempDir()
	tools := []string{"cat", "false", "true", "grep"}
	if shell.bash {
		tools = append(tools, "bash")
	}
	for _, tool := range tools {
		if err := os.Symlink(lookUp(t, tool), filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	words := append(append(shell.start[1:], "-c", script), args...)
	cmd := exec.CommandContext(t.Context(), lookUp(t, shell.start[0]), words...)
	cmd.Env = []string{"PATH=" + bin}
	return cmd
}

func lookUp(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// ended is the exit code and the output of a command.
func ended(t *testing.T, cmd *exec.Cmd) (int, string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestHookShell(t *testing.T) {
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(command string) (int, string) { return ended(t, inShell(t, name, hookShell, "hook", command)) }
			knows := shell.pipefail
			if !knows {
				code, _ := ended(t, inShell(t, name, "set -o pipefail"))
				knows = code == 0
			}
			code, said := run("false | cat")
			if failed := code != 0; failed != knows {
				t.Errorf("a failure inside a pipe: %d, %q; the shell knows how to tell: %v", code, said, knows)
			}
			for command, want := range map[string]int{
				"true": 0, "false": 1, "true | false": 1, "exit 3": 3, "false || true": 0, "false\ntrue": 0, "true; false": 1,
				"true | cat": 0, "no-such-command": 127, "if": 2,
			} {
				if code, said := run(command); code != want && !(command == "if" && code != 0) {
					t.Errorf("%q: %d, %q; expected %d", command, code, said, want)
				}
			}
			for command, want := range map[string]string{
				`printf '%s' "a  b" '$x' \"`: `a  b$x"`, "x='1  2'; printf %s \"$x\"": "1  2", "printf a; printf b >&2": "ab",
			} {
				if code, said := run(command); code != 0 || said != want {
					t.Errorf("%q: %d, %q; expected %q", command, code, said, want)
				}
			}
		})
	}
}

// TestHookIsEnded starts what a hook may leave, and ends it: that, and nothing else.
func TestHookIsEnded(t *testing.T) {
	for name := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark := rand.Text()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			start := func(mark string) *exec.Cmd {
				// A child in a session of its own, which a signal to the group does not reach.
				cmd := exec.CommandContext(ctx, "sh", "-c", "setsid sleep 600 & echo $!; exec sleep 600")
				cmd.Env = append(os.Environ(), hookMark+"="+mark)
				return cmd
			}
			marked, child := begin(t, start(mark))
			other, otherChild := begin(t, start(rand.Text()))
			if code, said := ended(t, inShell(t, name, endHook, "end", mark)); said != "" {
				t.Errorf("it ended with %d and said %q", code, said)
			}
			_ = marked.Wait()
			if status, ok := marked.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL || ctx.Err() != nil {
				t.Errorf("the marked one: %v", marked.ProcessState)
			}
			for deadline := time.Now().Add(10 * time.Second); lives(child); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the marked one's child lives")
				}
			}
			if !lives(other.Process.Pid) || !lives(otherChild) {
				t.Error("one with another mark was ended")
			}
			_ = other.Process.Kill()
			_ = other.Wait()
		})
	}
}

// begin starts a command, which writes its child's process id first.
func begin(t *testing.T, cmd *exec.Cmd) (*exec.Cmd, int) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	line := make([]byte, 32)
	n := 0
	if err == nil {
		n, err = out.Read(line)
	}
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if lives(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return cmd, pid
}

// lives tells whether a process runs: one that nobody waits for does not.
func lives(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}
