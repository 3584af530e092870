//go:build linux

package backup

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// cell is a place of the test's own for processes: hooks end what they find in /proc, and
// here that is what the test has started.
type cell struct{ pid string }

func newCell(t *testing.T) cell {
	t.Helper()
	if os.Getuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("namespaces of its own need root")
	}
	first := exec.Command(lookUp(t, "unshare"), "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "echo up; exec sleep 600")
	out, err := first.StdoutPipe()
	if err == nil {
		err = first.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = first.Process.Kill()
		_ = first.Wait()
	})
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", first.Process.Pid, first.Process.Pid))
	if err != nil || len(strings.Fields(string(children))) != 1 {
		t.Fatalf("the children of unshare are %q (%v)", children, err)
	}
	return cell{strings.TrimSpace(string(children))}
}

// command is one that runs in the cell.
func (r cell) command(t *testing.T, words ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, lookUp(t, "nsenter"), append([]string{"--target", r.pid, "--pid", "--mount", "--"}, words...)...)
	return cmd
}

// shell is a script with its arguments in one of the shells, with little else on its PATH.
func (r cell) shell(t *testing.T, name, script string, args ...string) *exec.Cmd {
	t.Helper()
	shell := shells[name]
	bin := t.TempDir()
	tools := []string{"cat", "false", "true", "grep", "sh"}
	if shell.bash {
		tools = append(tools, "bash")
	}
	for _, tool := range tools {
		to := lookUp(t, cmp.Or(map[string]string{"sh": shell.start[0]}[tool], tool))
		if err := os.Symlink(to, filepath.Join(bin, tool)); err != nil { // busybox goes by its name
			t.Fatal(err)
		}
	}
	words := append([]string{lookUp(t, shell.start[0])}, shell.start[1:]...)
	cmd := r.command(t, append(append(words, "-c", script), args...)...)
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
			room := newCell(t)
			run := func(command string) (int, string) {
				cmd := room.shell(t, name, hookShell, "hook", command)
				cmd.Env = append(cmd.Env, hookMark+"="+rand.Text())
				return ended(t, cmd)
			}
			knows := shell.pipefail
			if !knows {
				code, _ := ended(t, room.shell(t, name, "set -o pipefail"))
				knows = code == 0
			}
			for _, command := range []string{"false | cat", "sh -c 'false | cat'"} {
				code, said := run(command)
				if failed := code != 0; failed != knows {
					t.Errorf("%s: %d, %q; the shell knows how to tell: %v", command, code, said, knows)
				}
			}
			for command, want := range map[string]int{
				"true": 0, "false": 1, "true | false": 1, "exit 3": 3, "false || true": 0, "false\ntrue": 0, "true; false": 1,
				"true | cat": 0, "no-such-command": 127, "sh -c 'exit 4'": 4,
			} {
				if code, said := run(command); code != want {
					t.Errorf("%q: %d, %q; expected %d", command, code, said, want)
				}
			}
			if code, _ := run("if"); code == 0 {
				t.Error("what is no command went well")
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
			room, mark := newCell(t), rand.Text()
			marked, other, plain := room.leaves(t, mark), room.leaves(t, rand.Text()), room.leaves(t, "")
			if code, said := ended(t, room.shell(t, name, endHook, "end", mark)); said != "" {
				t.Errorf("it ended with %d and said %q", code, said)
			}
			room.await(t, marked)
			if room.gone(t, other) || room.gone(t, plain) {
				t.Error("one with another mark, or with none, was ended")
			}
			// The next hook ends what an earlier one has left whose galley died.
			cmd := room.shell(t, name, hookShell, "hook", "true")
			cmd.Env = append(cmd.Env, hookMark+"="+rand.Text())
			if code, said := ended(t, cmd); code != 0 {
				t.Errorf("the next hook: %d, %q", code, said)
			}
			room.await(t, other)
			if room.gone(t, plain) {
				t.Error("what was no hook's was ended")
			}
		})
	}
}

// leaves starts a process, in a session of its own as those that are left are, with the
// hook's mark or with none, and gives its ID in the room.
func (r cell) leaves(t *testing.T, mark string) string {
	t.Helper()
	cmd := r.command(t, "sh", "-c", "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!")
	if mark != "" {
		cmd.Env = append(os.Environ(), hookMark+"="+mark)
	}
	code, said := ended(t, cmd)
	if code != 0 || strings.TrimSpace(said) == "" {
		t.Fatalf("%d, %q", code, said)
	}
	return strings.TrimSpace(said)
}

// gone tells whether a process of the room has ended.
func (r cell) gone(t *testing.T, pid string) bool {
	t.Helper()
	code, said := ended(t, r.command(t, "sh", "-c", `! [ -e "/proc/$1/stat" ] || grep -q ") Z " "/proc/$1/stat"`, "gone", pid))
	if said != "" {
		t.Fatal(said)
	}
	return code == 0
}

func (r cell) await(t *testing.T, pid string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !r.gone(t, pid); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %s runs on", pid)
		}
	}
}
