package source

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/galley-coop/galley/internal/fault"
)

func TestSSH(t *testing.T) {
	r, commit := tagged(t)
	userKey := startAgent(t)
	address, hostKey := sshServer(t, userKey)
	_, strangersKey := sshServer(t, userKey)
	url := "ssh://git@" + address + filepath.Join(r.dir, ".git")
	hosts := filepath.Join(t.TempDir(), "known_hosts")
	t.Setenv("SSH_KNOWN_HOSTS", hosts)
	know := func(key ssh.PublicKey) {
		t.Helper()
		line := ""
		if key != nil {
			line = knownhosts.Line([]string{address}, key) + "\n"
		}
		if err := os.WriteFile(hosts, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	know(hostKey)
	versions := versionsOf(t, open(t, url, Options{CacheDir: t.TempDir()}))
	if names(versions) != "1.0.0+1.0" || versions[0].Commit != commit {
		t.Errorf("versions = %+v", versions)
	}
	for hint, key := range map[string]ssh.PublicKey{"connect once with ssh": nil, "is not the one in known_hosts": strangersKey} {
		know(key)
		_, err := Open(t.Context(), url, Options{CacheDir: t.TempDir()})
		if err == nil || !strings.Contains(fault.HintOf(err), hint) {
			t.Errorf("error = %v, hint %q; want a hint with %q", err, fault.HintOf(err), hint)
		}
	}
	know(hostKey)
	startAgent(t) // with a key that the server does not know
	if _, err := Open(t.Context(), url, Options{CacheDir: t.TempDir()}); err == nil || !strings.Contains(fault.HintOf(err), "key the server knows") {
		t.Errorf("with another key: error = %v, hint %q", err, fault.HintOf(err))
	}
}

// startAgent serves a new key as the user's ssh agent does.
func startAgent(t *testing.T) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	accept(t, "unix", socket, func(conn net.Conn) { _ = agent.ServeAgent(keys, conn) })
	t.Setenv("SSH_AUTH_SOCK", socket)
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// accept hands each connection to serve, until the test ends.
func accept(t *testing.T, network, address string, serve func(net.Conn)) net.Addr {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr()
}

// sshServer runs git upload-pack for whoever holds the key.
func sshServer(t *testing.T, allowed ssh.PublicKey) (address string, hostKey ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(allowed.Marshal()) {
			return nil, os.ErrPermission
		}
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(signer)
	return accept(t, "tcp", "127.0.0.1:0", func(conn net.Conn) { serveSSH(conn, config) }).String(), signer.PublicKey()
}

func serveSSH(conn net.Conn, config *ssh.ServerConfig) {
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go serveExec(channel, requests)
	}
}

// serveExec answers one "exec" request: git-upload-pack '<path>'.
func serveExec(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	for request := range requests {
		var payload struct{ Command string }
		if request.Type != "exec" || ssh.Unmarshal(request.Payload, &payload) != nil {
			_ = request.Reply(false, nil)
			continue
		}
		_ = request.Reply(true, nil)
		path, isUpload := strings.CutPrefix(payload.Command, "git-upload-pack ")
		status := struct{ Status uint32 }{1}
		if isUpload {
			cmd := exec.Command("git", "-c", "safe.directory=*", "upload-pack", strings.Trim(path, "'"))
			cmd.Env = gitEnv()
			cmd.Stdin, cmd.Stdout, cmd.Stderr = channel, channel, channel.Stderr()
			if cmd.Run() == nil {
				status.Status = 0
			}
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}
