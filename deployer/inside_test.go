package deployer

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

func TestExec(t *testing.T) {
	r := newRig(t, "exec")
	r.shellStack()
	for name, c := range map[string]struct {
		service, stdin string
		options        ExecOptions
		command        []string
		out, errs      string
		code           int
	}{
		"output and code": {"app", "", ExecOptions{}, []string{"sh", "-c", "echo one; echo two >&2; exit 42"}, "one\n", "two\n", 42},
		"stdin":           {"app", "a\nb\n", ExecOptions{}, []string{"wc", "-l"}, "2\n", "", 0},
		"user and folder": {"app", "", ExecOptions{User: "7:8", WorkDir: "/tmp"}, []string{"sh", "-c", "id -u; pwd"}, "7\n/tmp\n", "", 0},
		"environment":     {"app", "", ExecOptions{Env: []string{"MORE=yes"}}, []string{"sh", "-c", "echo $KIND $MORE"}, "shell yes\n", "", 0},
		"a terminal":      {"app", "", ExecOptions{Terminal: true}, []string{"sh", "-c", "tty >/dev/null && echo yes"}, "yes\r\n", "", 0},
		"read-only root":  {"sealed", "", ExecOptions{}, []string{"sh", "-c", "touch /x 2>/dev/null || id -u"}, "1000\n", "", 0},
		"secrets":         {"app", "", ExecOptions{}, []string{"cat", "/run/secrets/key"}, "hunter2", "", 0},
	} {
		if out, errs, code := r.runs(c.service, c.stdin, c.options, c.command...); out != c.out || errs != c.errs || code != c.code {
			t.Errorf("%s: code %d, %q and %q; want %d, %q and %q", name, code, out, errs, c.code, c.out, c.errs)
		}
	}
	if _, _, code := r.runs("bare", "", ExecOptions{}, "sh"); code != 126 && code != 127 {
		t.Errorf("code %d of a command that is not there", code)
	}

	t.Log("the terminal's size goes along")
	sizes := make(chan TerminalSize, 1)
	sizes <- TerminalSize{Rows: 33, Columns: 77}
	if out, _, _ := r.runs("app", "", ExecOptions{Terminal: true, Sizes: sizes}, "sh", "-c", "until stty size | tee /dev/stderr | grep -q '33 77'; do :; done; stty size"); !strings.Contains(out, "33 77") {
		t.Errorf("the size inside is %q", out)
	}

	t.Log("an end of the waiting")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := writerFunc(func() { cancel() })
	_, err := r.inside("app", 0).Exec(ctx, ExecOptions{Command: []string{"sh", "-c", "echo up; sleep 600"}, Stdout: said, Stderr: io.Discard})
	if fault.KindOf(err) != fault.Interrupted || !strings.Contains(err.Error(), "may go on") {
		t.Errorf("%v, want an interruption", err)
	}
}

// writerFunc is called for each write.
type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) { f(); return len(p), nil }

func TestInsideFindsTheTask(t *testing.T) {
	r := newRig(t, "inside")
	if _, err := r.Inside(t.Context(), r.stack, "app", 0); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "there is no stack") {
		t.Errorf("no stack: %v", err)
	}
	r.shellStack()
	one, two := r.inside("bare", 1), r.inside(r.stack+"_bare", 2)
	if one.Slot != 1 || two.Slot != 2 || one.ID == two.ID || one.Service != r.stack+"_bare" || one.Node == "" {
		t.Errorf("slots 1 and 2 are %+v and %+v", one, two)
	}
	for _, c := range []struct {
		service string
		slot    int
		kind    fault.Kind
		says    string
	}{
		{"nobody", 0, fault.Usage, `has no service "nobody"`},
		{"bare", 3, fault.Unavailable, "no running task in slot 3"},
	} {
		if _, err := r.Inside(t.Context(), r.stack, c.service, c.slot); fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, slot %d: %v", c.service, c.slot, err)
		}
	}

	t.Log("as it looks from another node")
	other := *r.Engine
	other.NodeID = "elsewhere"
	if _, err := other.Inside(t.Context(), r.stack, "bare", 0); err == nil || !strings.Contains(err.Error(), `"`+one.Node+`"`) || !strings.Contains(err.Error(), `no way to it is known`) {
		t.Errorf("error %v, want one that names node %s", err, one.Node)
	}
}

func TestReadyTasksComeFirst(t *testing.T) {
	task := func(id string, slot int, state swarm.TaskState) swarm.Task {
		return swarm.Task{ID: id, Slot: slot, Status: swarm.TaskStatus{State: state}}
	}
	running, starting, second := task("b", 1, swarm.TaskStateRunning), task("a", 1, swarm.TaskStateStarting), task("c", 2, swarm.TaskStateRunning)
	e := &Engine{NodeID: "here"}
	if e.byReadiness(running, starting) >= 0 || e.byReadiness(running, second) >= 0 || e.byReadiness(second, starting) >= 0 {
		t.Error("want running ones by slot, then those that start")
	}
	second.NodeID, starting.NodeID = "here", "here"
	if e.byReadiness(second, running) >= 0 || e.byReadiness(running, starting) >= 0 {
		t.Error("want running ones, of those the connected node's first")
	}
}

func TestExecKeepsWhatWasWrittenApart(t *testing.T) {
	r := newRig(t, "binary")
	r.shellStack()
	data := bytes.Repeat([]byte{0, 1, 2, 255, '\n', '\r'}, 100_000)
	if out, errs, code := r.runs("app", string(data), ExecOptions{}, "cat"); out != string(data) || errs != "" || code != 0 {
		t.Errorf("%d bytes came back of %d, code %d, %q", len(out), len(data), code, errs)
	}
}
