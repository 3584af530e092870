package server

import (
	"slices"
	"strings"
	"testing"
)

func TestParseMachine(t *testing.T) {
	for _, address := range []string{"ssh://host", "ssh://root@host", "ssh://root@host:2222", "ssh://root@[2001:db8::1]:22", "ssh://a.b-c@host.example.org"} {
		if m, err := ParseMachine(address); err != nil || m.String() != address {
			t.Errorf("%s: got %s, %v", address, m, err)
		}
	}
	for _, address := range []string{
		"", "host", "root@host", "https://host", "ssh://", "ssh://root@", "ssh://@host", "ssh://root:secret@host", "ssh://host/var/run/docker.sock",
		"ssh://-oProxyCommand=x", "ssh://-x@host", "ssh://ho$(id)st", "ssh://a;b@host", "ssh://host?x=y", "ssh://host#x", "ssh://host:x",
	} {
		_, err := ParseMachine(address)
		if err == nil {
			t.Errorf("%q was taken", address)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error repeats the password: %v", address, err)
		}
	}
}

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]bool{
		"ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"":     true,
		"NAME='Ubuntu'\nID=ubuntu\nID_LIKE=debian":           true,
		"ID=raspbian\nID_LIKE=debian":                        true,
		"ID=pop\nID_LIKE=\"ubuntu debian\"":                  true,
		"ID=fedora\nVERSION_ID=40":                           false,
		"ID=rocky\nID_LIKE=\"rhel centos fedora\"":           false,
		"# ID=debian\nID=alpine\nPRETTY_NAME=\"not debian\"": false,
		"": false,
	} {
		if got := isDebian(parseRelease(text)); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

func TestParseDefaultRoute(t *testing.T) {
	const header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for text, want := range map[string]string{
		"":     "",
		header: "",
		header + "eth0\t0000D70A\t00000000\t0001\t0\t0\t0\tF0FFFFFF\t0\t0\t0\n":                                                                  "",
		header + "eth0\t00000000\t01D70A0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n":                                                                  "eth0",
		header + "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\nens3\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n": "ens3",
		header + "tun0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n":                                                                  "", // half of the internet is no default
		header + "$(id)\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n":                                                                 "",
	} {
		if got, _ := parseDefaultRoute(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestMissingPackages: only what is not there is installed, and what somebody else put
// there instead stays.
func TestMissingPackages(t *testing.T) {
	const installed = "installed iptables 1.8.9-2\ninstalled ca-certificates 20230311\n"
	for name, c := range map[string]struct{ out, engine, missing string }{
		"bare":        {"", "", "docker.io iptables ca-certificates"},
		"apparmor":    {"apparmor\n", "", "docker.io iptables ca-certificates apparmor"},
		"whole":       {installed + "installed docker.io 20.10.24\n/usr/sbin/dockerd\n/usr/bin/docker\n", "docker.io 20.10.24", ""},
		"interrupted": {installed + "half-configured docker.io 20.10.24\n/usr/bin/docker\n", "", "docker.io"},
		"removed":     {installed + "config-files docker.io 20.10.24\n", "", "docker.io"},
		"no client":   {installed + "installed docker.io 26.1.5\n/usr/sbin/dockerd\n", "docker.io 26.1.5", "docker-cli"},
		"docker-ce":   {"installed docker-ce 5:28.0.1\n/usr/bin/dockerd\n/usr/bin/docker\n", "docker-ce 5:28.0.1", ""},
		"by hand":     {"/usr/local/bin/dockerd\n", "/usr/local/bin/dockerd, of no package", ""},
	} {
		have := parseInventory(c.out)
		engine, _ := have.engine()
		if got := strings.Join(have.missing(), " "); engine != c.engine || got != c.missing {
			t.Errorf("%s: engine %q, missing %q; want %q, %q", name, engine, got, c.engine, c.missing)
		}
	}
}

// TestUsable: a bootstrap leaves a manager as it is, and touches no other swarm.
func TestUsable(t *testing.T) {
	m := Machine{host: "h"}
	for name, c := range map[string]struct {
		info swarmInfo
		ok   bool
	}{
		"none":       {swarmInfo{LocalNodeState: "inactive"}, true},
		"manager":    {swarmInfo{LocalNodeState: "active", ControlAvailable: true}, true},
		"worker":     {swarmInfo{LocalNodeState: "active"}, false},
		"leaderless": {swarmInfo{LocalNodeState: "active", ControlAvailable: true, Error: "no leader"}, false},
		"locked":     {swarmInfo{LocalNodeState: "locked"}, false},
		"pending":    {swarmInfo{LocalNodeState: "pending"}, false},
		"error":      {swarmInfo{LocalNodeState: "error", Error: "x"}, false},
		"nothing":    {swarmInfo{}, false},
	} {
		if err := c.info.usable(m); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLine: the user's shell on the machine gets one line whatever a command holds, and
// nothing of the command reaches it as anything but a word.
func TestLine(t *testing.T) {
	for _, text := range []string{"id -un", `echo 'a' "b" $c`, "printf '%s' \"it's\""} {
		line := remote{}.line(script{text: text, deadline: readTime})
		if strings.Contains(line, "\n") || !strings.HasPrefix(line, "sh -c '") {
			t.Errorf("%s: %s", text, line)
		}
	}
	if line := (remote{sudo: true}).line(script{text: "id", deadline: readTime}); !strings.HasPrefix(line, "sudo -n sh -c ") {
		t.Error(line)
	}
}

func TestSSHArguments(t *testing.T) {
	m, err := ParseMachine("ssh://ops@host:2222")
	if err != nil {
		t.Fatal(err)
	}
	args := m.arguments("id")
	want := []string{"-l", "ops", "-p", "2222", "--", "host", "id"}
	if len(args) < len(want) || !slices.Equal(args[len(args)-len(want):], want) || !slices.Contains(args, "BatchMode=yes") || !slices.Contains(args, "StrictHostKeyChecking=yes") {
		t.Errorf("got %q, want them to end with %q", args, want)
	}
}
