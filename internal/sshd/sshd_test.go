package sshd

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// login runs a command over ssh and returns what it printed, errors too.
func login(t *testing.T, c *Client, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, c.Bin+"/ssh", append([]string{"-o", "BatchMode=yes"}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestServer(t *testing.T) {
	s := StartT(t, Options{Env: map[string]string{"DOCKER_HOST": "unix:///x/sock", "OTHER": "1"}})
	c, err := NewClient(t.Context(), t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := login(t, c, "galley-0", "true"); err == nil || !strings.Contains(out, "Host key verification failed") {
		t.Errorf("a host that nobody knows: %v, %q", err, out)
	}
	if err := c.Trust(s); err != nil {
		t.Fatal(err)
	}
	out, err := login(t, c, "galley-0", "echo $DOCKER_HOST $OTHER; ls /run")
	if err != nil || out != "unix:///x/sock 1\nsshd" {
		t.Errorf("a session: %v, %q", err, out)
	}
	stranger, err := NewClient(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Trust(s); err != nil {
		t.Fatal(err)
	}
	if out, err := login(t, stranger, "ssh://root@"+s.Addr, "true"); err == nil || !strings.Contains(out, "Permission denied") {
		t.Errorf("a key that it does not know: %v, %q", err, out)
	}
	prints, err := s.Fingerprints()
	if err != nil || len(prints) != 2 || !strings.HasPrefix(prints[0], "SHA256:") {
		t.Errorf("fingerprints %q, %v", prints, err)
	}
}

// TestCloseEndsSessions closes a server while a command runs on its other end.
func TestCloseEndsSessions(t *testing.T) {
	s := StartT(t, Options{})
	c, err := NewClient(t.Context(), t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Trust(s); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), c.Bin+"/ssh", "galley-0", "echo ready; cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	dir := s.dir
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the session outlived its server")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is left", dir)
	}
}
