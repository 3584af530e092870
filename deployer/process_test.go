package deployer

import (
	"os/exec"
	"strings"
	"testing"
)

// child starts a process and gives its mark.
func child(t *testing.T) (*exec.Cmd, string) {
	t.Helper()
	if processMark() == "" {
		t.Fatal("this system has no /proc, and no process can be told from another")
	}
	c := exec.Command("sleep", "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _, _ = c.Process.Wait() })
	return c, markOf(c.Process.Pid)
}

func TestHolderIsGoneOnceItsProcessIs(t *testing.T) {
	c, mark := child(t)
	holder := Holder{PID: c.Process.Pid, Process: mark}
	if holder.died() {
		t.Error("a living process was called dead")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	if !holder.died() {
		t.Error("a dead process was not noticed")
	}
}

func TestNothingIsSaidOfHoldersElsewhere(t *testing.T) {
	fields := strings.Fields(processMark())
	for name, mark := range map[string]string{
		"none":          "",
		"another boot":  strings.Join([]string{"0f0f", fields[1], "1", "1"}, " "),
		"another space": strings.Join([]string{fields[0], "pid:[1]", "1", "1"}, " "),
	} {
		if (Holder{PID: 1, Process: mark}).died() {
			t.Errorf("%s: a holder elsewhere was called dead", name)
		}
	}
	reused := strings.Join([]string{fields[0], fields[1], fields[2], "1"}, " ")
	if !(Holder{PID: 1, Process: reused}).died() {
		t.Error("another process under the same number was taken for the holder")
	}
}
