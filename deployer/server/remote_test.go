package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// aMachine is this one, through a real ssh server on loopback that the operator knows.
func aMachine(t *testing.T) remote {
	t.Helper()
	s, c := overSSH(t, "unix:///nobody.sock")
	if err := c.Trust(s); err != nil {
		t.Fatal(err)
	}
	m, err := ParseMachine("ssh://galley-0")
	if err != nil {
		t.Fatal(err)
	}
	return remote{machine: m}
}

func TestRemoteRun(t *testing.T) {
	r := aMachine(t)
	out, err := r.run(t.Context(), script{text: `printf '%s|' "it's" 'two words' "$0"; cat`, deadline: readTime})
	if err != nil || out != "it's|two words|sh|" {
		t.Errorf("got %q, %v", out, err)
	}
	file := filepath.Join(t.TempDir(), "put")
	data := []byte("a 'line'\nand another\x00")
	if _, err := r.run(t.Context(), script{text: "cat >" + quote(file), deadline: readTime, input: data}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != string(data) {
		t.Errorf("put %q, %v; want %q", got, err, data)
	}
}

// TestRemoteFails: an error names the command, its code and the last that it said.
func TestRemoteFails(t *testing.T) {
	r := aMachine(t)
	_, err := r.run(t.Context(), script{text: "seq 9 >&2; echo no mirror >&2; exit 7", deadline: readTime})
	failsWith(t, err, fault.Unavailable, "exit code 7", "9; no mirror", "ssh://galley-0")
	if !ran(err) || strings.Contains(err.Error(), "5; 6") {
		t.Errorf("%v", err)
	}
	_, err = r.run(t.Context(), script{text: "sleep 1000", deadline: time.Second})
	failsWith(t, err, fault.Unavailable, "not done within 1s")
	if ran(err) {
		t.Errorf("taken for an answer: %v", err)
	}
	r.machine.port = "1"
	_, err = r.run(t.Context(), script{text: "true", deadline: readTime})
	failsWith(t, err, fault.Unavailable, "by ssh", "must work without a question")
}

// TestRemoteInterrupted: what was started on the machine is ended there, with what it
// started itself.
func TestRemoteInterrupted(t *testing.T) {
	r := aMachine(t)
	started := filepath.Join(t.TempDir(), "started")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		// The shell's own pid is in the file, so that its end can be seen. It takes its
		// time: what comes first is its parent's end.
		text := `sh -c 'trap "sleep 1; exit" TERM; echo $$ >` + started + `.new; mv ` + started + `.new ` + started + `; while :; do sleep 0.1; done' & wait`
		_, err := r.run(ctx, script{text: text, deadline: readTime})
		ended <- err
	}()
	var pid string
	eventually(t, "the command runs", func() bool {
		text, err := os.ReadFile(started)
		pid = strings.TrimSpace(string(text))
		return err == nil && pid != ""
	})
	cancel()
	if err := <-ended; err == nil {
		t.Error("an interrupted command has no error")
	}
	if _, err := os.Stat(filepath.Join("/proc", pid)); err == nil {
		t.Error("what the command had started goes on")
	}
}

// eventually waits for what is to become true, for as long as a slow machine may take.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); ; {
		if holds() {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestHostKeyUnknown: nothing is run on a machine whose key nobody vouched for.
func TestHostKeyUnknown(t *testing.T) {
	overSSH(t, "unix:///nobody.sock")
	m, err := ParseMachine("ssh://galley-0")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ran")
	if _, err := (remote{machine: m}).run(t.Context(), script{text: "touch " + file, deadline: readTime}); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the command was run")
	}
}
