package deployer

import (
	"os"
	"path/filepath"
	"testing"
)

// sshScript stands for ssh and for docker on its other end: it joins its input and
// output with the engine's socket.
const sshScript = `#!/usr/bin/env python3
import os, socket, sys, threading
if "dial-stdio" not in " ".join(sys.argv):
    sys.exit("expected docker system dial-stdio, got %r" % sys.argv)
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["GALLEY_TEST_SOCKET"])
def send():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := s.recv(65536):
    while data:
        data = data[os.write(1, data):]
`

// TestConnectOverSSH reaches the engine by ssh, alone and as the second node of a
// server, under a proxy that must not be asked.
func TestConnectOverSSH(t *testing.T) {
	l := useLab(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(sshScript), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv("GALLEY_TEST_SOCKET", l.node.Socket())
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:1")
	t.Setenv("DOCKER_HOST", "ssh://ops@node.example.org")
	e, err := Connect(t.Context(), DefaultServer)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.History(t.Context(), "none"); err != nil {
		t.Error(err)
	}
	e.steady.patient.Add(1) // also the requests of a deploy go by ssh
	if _, err := e.Current(t.Context(), "none", nil); err != nil {
		t.Error(err)
	}
	t.Setenv("DOCKER_HOST", "unix://"+dir+"/none")
	second, err := Connect(t.Context(), DefaultServer, "ssh://ops@node.example.org")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.NodeID != e.NodeID || len(second.Warnings) != 2 {
		t.Errorf("node %s with warnings %q, want %s with two", second.NodeID, second.Warnings, e.NodeID)
	}
}
