package server

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/sshd"
)

// TestTrust goes through what ssh can say of a host key, with a real server.
func TestTrust(t *testing.T) {
	s, c := overSSH(t, "unix:///nowhere")
	address := "ssh://root@" + s.Addr
	prints, err := s.Fingerprints()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Trust(t.Context(), address, nil)
	failsWith(t, err, fault.Refused, errHostKey.Error(), prints[0]+" (ssh-ed25519)", prints[1]+" (ecdsa", "--host-key "+prints[0])
	other := "SHA256:" + strings.Repeat("A", 43)
	_, err = Trust(t.Context(), address, []string{other})
	failsWith(t, err, fault.Refused, "none of the host keys that were given", prints[0])
	if _, err := os.Stat(c.KnownHosts); err == nil {
		t.Errorf("a refusal wrote %q", readFile(t, c.KnownHosts))
	}
	writeFile(t, c.KnownHosts, "elsewhere ssh-ed25519 AAAA") // without an end
	added, err := Trust(t.Context(), address, []string{other, prints[1]})
	if err != nil || len(added) != 1 || added[0] != prints[1] {
		t.Fatalf("added %q, %v", added, err)
	}
	known := readFile(t, c.KnownHosts)
	if !strings.HasPrefix(known, "elsewhere ssh-ed25519 AAAA\n[127.0.0.1]:") || strings.Count(known, "\n") != 2 || strings.Contains(known, "]:22 ") {
		t.Errorf("known_hosts is %q", known)
	}
	for _, again := range []string{address, "ssh://galley-0"} { // the second by ssh's own configuration
		if added, err := Trust(t.Context(), again, nil); err != nil || len(added) != 0 {
			t.Errorf("a known host at %s: %q, %v", again, added, err)
		}
	}
}

func TestTrustChangedKey(t *testing.T) {
	s, c := overSSH(t, "unix:///nowhere")
	address := "ssh://root@" + s.Addr
	prints, err := s.Fingerprints()
	if err != nil {
		t.Fatal(err)
	}
	line, err := s.KnownHosts()
	if err != nil {
		t.Fatal(err)
	}
	another, _ := overSSH(t, "unix:///nowhere")
	theirs, err := another.HostKey()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", c.Path())
	host, _, _ := strings.Cut(line, " ")
	writeFile(t, c.KnownHosts, host+" "+theirs+"\n")
	_, err = Trust(t.Context(), address, []string{prints[0]})
	failsWith(t, err, fault.Refused, "another one than known_hosts has", "ssh-keygen -R '[127.0.0.1]:")
	if got := readFile(t, c.KnownHosts); got != host+" "+theirs+"\n" {
		t.Errorf("known_hosts became %q", got)
	}
}

func TestTrustNobody(t *testing.T) {
	s, _ := overSSH(t, "unix:///nowhere")
	_, stranger := overSSH(t, "unix:///nowhere")
	if err := stranger.Trust(s); err != nil {
		t.Fatal(err)
	}
	_, err := Trust(t.Context(), "ssh://root@"+s.Addr, nil)
	failsWith(t, err, fault.Unavailable, "lets nobody in", "ssh agent")
	_, err = Trust(t.Context(), "ssh://root@127.0.0.1:1", nil)
	failsWith(t, err, fault.Unavailable, "cannot be reached", "Connection refused")
	if errors.Is(err, errHostKey) {
		t.Error("a closed port is taken for an unknown key")
	}
}

// TestTrustThroughAJumpHost reaches a machine by another one: the keys that are told
// and taken are the far one's.
func TestTrustThroughAJumpHost(t *testing.T) {
	jump, c := overSSH(t, "unix:///nowhere")
	far := sshd.StartT(t, sshd.Options{})
	config := readFile(t, c.Config)
	writeFile(t, c.Config, fmt.Sprintf("Host far\n\tHostName 127.0.0.1\n\tPort %d\n\tUser root\n\tProxyJump galley-0\n", far.Port)+config)
	if err := far.LetIn(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Trust(jump); err != nil {
		t.Fatal(err)
	}
	prints, err := far.Fingerprints()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Trust(t.Context(), "ssh://far", nil)
	failsWith(t, err, fault.Refused, errHostKey.Error(), prints[0])
	if added, err := Trust(t.Context(), "ssh://far", prints[:1]); err != nil || len(added) != 1 {
		t.Errorf("%q, %v", added, err)
	}
	if !strings.Contains(jump.Log(), "direct-tcpip") && !strings.Contains(jump.Log(), "Accepted publickey") {
		t.Error("the jump host was not gone through")
	}
}
