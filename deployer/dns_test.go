package deployer

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// dnsServer answers A questions: with an address, with "no such name" for one it
// does not know, with a failure for "broken." and never for "silent.".
func dnsServer(t *testing.T, known map[string]string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if reply := dnsReply(slices.Clone(buffer[:n]), known); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// dnsReply is the answer to one question (RFC 1035, section 4).
func dnsReply(q []byte, known map[string]string) []byte {
	if len(q) < 12 {
		return nil
	}
	var labels []string
	at := 12
	for at < len(q) && q[at] != 0 {
		end := at + 1 + int(q[at])
		labels = append(labels, string(q[at+1:end]))
		at = end
	}
	name := strings.ToLower(strings.Join(labels, "."))
	end := at + 5
	kind := binary.BigEndian.Uint16(q[at+1:])
	reply := append([]byte{}, q[:end]...)
	reply[2], reply[3] = 0x84, 0x80          // an answer, authoritative
	binary.BigEndian.PutUint16(reply[6:], 0) // answers
	binary.BigEndian.PutUint32(reply[8:], 0) // no authority, nothing additional
	switch address, ok := known[name]; {
	case strings.HasPrefix(name, "silent"):
		return nil
	case strings.HasPrefix(name, "broken"):
		reply[3] |= 2
	case !ok:
		reply[3] |= 3
	case kind == 1:
		binary.BigEndian.PutUint16(reply[6:], 1)
		a := netip.MustParseAddr(address).As4()
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		reply = append(reply, a[:]...)
	}
	return reply
}

func TestJudgeDNS(t *testing.T) {
	server := dnsServer(t, map[string]string{"here.example.org": "192.0.2.1", "there.example.org": "198.51.100.7"})
	nodes := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	judge := func(first bool, hosts ...string) (string, error) {
		options := DNSOptions{Server: server}
		if strings.HasPrefix(hosts[0], "silent") {
			options.Timeout = 50 * time.Millisecond
		}
		warnings, err := judgeDNS(t.Context(), hosts, nodes, first, options)
		return strings.Join(warnings, "\n"), err
	}
	for host, want := range map[string]string{
		"here.example.org":   "",
		"there.example.org":  "there.example.org leads to 198.51.100.7, which is none of the swarm's nodes (192.0.2.1, 192.0.2.2): right behind a proxy or a NAT only",
		"broken.example.org": "it could not be asked where broken.example.org leads: server misbehaving",
		"silent.example.org": "nothing answered in time where silent.example.org leads",
	} {
		for _, first := range []bool{true, false} {
			if got, err := judge(first, host); got != want || err != nil {
				t.Errorf("%s, first %v: %q (%v), want %q", host, first, got, err, want)
			}
		}
	}
	const missing = "the name gone.example.org, lost.example.org does not exist in the DNS"
	got, err := judge(false, "gone.example.org", "here.example.org", "lost.example.org")
	if got != missing || err != nil {
		t.Errorf("on a later deploy: %q (%v)", got, err)
	}
	got, err = judge(true, "gone.example.org", "there.example.org", "lost.example.org")
	if fault.KindOf(err) != fault.Unavailable || err == nil || !strings.HasPrefix(err.Error(), missing) || !strings.Contains(fault.HintOf(err), "--no-dns-check") || !strings.HasPrefix(got, "there") {
		t.Errorf("on the first: %v, and %q", err, got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := judgeDNS(ctx, []string{"gone.example.org"}, nodes, true, DNSOptions{Server: server}); err != context.Canceled {
		t.Errorf("interrupted: %v", err)
	}
}

func TestHostsOfRules(t *testing.T) {
	for rule, want := range map[string]string{
		"Host(`a.example.org`)":                                              "a.example.org",
		"Host(`a.example.org`, `www.a.example.org`)":                         "a.example.org www.a.example.org",
		"(Host(`A.example.org`) || Host(\"b.example.org\")) && Path(`/x.y`)": "a.example.org b.example.org",
		"Host(`a.example.org`,)":                                             "a.example.org",
		"Host(``)":                                                           "",
		"HostSNI(`*`)":                                                       "",
		"HostSNI(`mail.example.org`)":                                        "mail.example.org",
		"HostRegexp(`.+\\.example\\.org`)":                                   "",
		"Host(`*.example.org`)":                                              "",
		"Host(`192.0.2.1`) || Host(`app.localhost`)":                         "",
		"PathPrefix(`/a.example.org`)":                                       "",
	} {
		if got := strings.Join(hostsIn(rule), " "); got != want {
			t.Errorf("%s: %q, want %q", rule, got, want)
		}
	}
}
