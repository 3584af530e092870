package rules

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// serviceWith is a compose file with one service; the lines start at 4:5.
func serviceWith(lines ...string) string {
	return "services:\n  app:\n    image: a:1.2\n    " + strings.Join(lines, "\n    ") + "\n"
}

// judged is what a rule is given, and what it must answer: the text that it
// underlines and a part of the message, by turns; nothing for no finding.
type judged struct {
	rule, text string
	want       []string
}

func judge(t *testing.T, tests []judged) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.rule+"/"+test.text, func(t *testing.T) {
			tree := fstest.MapFS{"compose.yml": {Data: []byte(serviceWith(strings.Split(test.text, "\n")...))}}
			got := run(t, tree, lint.World{}, lint.Options{Only: []string{test.rule}}).Findings
			if len(got) != len(test.want)/2 {
				t.Fatalf("found %q; expected %d findings", lines(got), len(test.want)/2)
			}
			text := recipe.NewText("compose.yml", tree["compose.yml"].Data)
			for i, f := range got {
				at := text.Slice(recipe.Range{File: f.File, Start: f.Start, End: f.End})
				if at != test.want[2*i] || !strings.Contains(f.Message, test.want[2*i+1]) {
					t.Errorf("found %q at %q; expected %q at %q", f.Message, at, test.want[2*i+1], test.want[2*i])
				}
			}
		})
	}
}

func TestHostMounts(t *testing.T) {
	judge(t, []judged{
		{"C301", "volumes: [/var/run/docker.sock:/s]", []string{"/var/run/docker.sock", "the docker socket"}},
		{"C301", "volumes: [{type: bind, source: /run/docker.sock, target: /s, read_only: true}]", []string{"/run/docker.sock", "read-only does not limit"}},
		{"C301", "volumes: ['${SOCK:-/var/run/docker.sock}:/s:ro']", []string{"/var/run/docker.sock", "the docker socket"}},
		{"C301", "volumes: ['${SOCK:?}:/var/run/docker.sock']", []string{"${SOCK:?}", `"${SOCK:?}"`}},
		{"C301", "volumes: [/var/run/:/run]", []string{"/var/run/", "the docker socket in it"}},
		{"C301", "volumes: [./docker.sock.d:/x, data:/var/run/docker.sock.d, /run/other:/x]", nil},
		{"C302", "volumes: [/run/containerd/containerd.sock:/x, /run/podman:/y]", []string{"/run/containerd/containerd.sock", "containerd", "/run/podman", "Podman"}},
		{"C302", "volumes: [/srv/containerd:/x]", nil},
		{"C312", "volumes: [/:/host, '/etc/:/etc', ~/.ssh:/keys, /var/lib/docker:/v]",
			[]string{"/", "the whole host", "/etc/", "configuration", "~/.ssh", "the keys of a user", "/var/lib/docker", "volumes and secrets"}},
		{"C312", "volumes: [/var/lib/docker/volumes:/v]", []string{"/var/lib/docker/volumes", `"/var/lib/docker/volumes", the engine's data; expected`}},
		{"C312", "volumes: [/etc/pihole:/p, /srv/data:/d, /etc/localtime:/l, /dev/dri:/dev/dri, '/proc:/p:ro', /home/me/data:/d, /sysdata:/s]", nil},
		{"C313", "volumes: ['/proc:/p:ro', '/:/r:ro,rslave', /root:/root]", []string{"/proc", "processes", "/", "the docker socket included"}},
		{"C313", "volumes: ['/etc/passwd:/p:ro', '/sys:/s:ro', '/lib/modules:/m:ro']", nil},
		{"C314", "devices: [/dev/sda, '/dev/mapper/x:/dev/y', /dev/dri, /dev/snd, /dev/kvm, /dev/sda1:/x]",
			[]string{"/dev/sda", "a disk", "'/dev/mapper/x:/dev/y'", "a disk", "/dev/sda1:/x", "a disk"}},
		{"C314", "volumes: [/dev/mem:/dev/mem, /dev/shm:/dev/shm, /dev/vda:/d]", []string{"/dev/mem", "memory", "/dev/vda", "a disk"}},
	})
	volume := "services: {}\nvolumes:\n  a:\n    driver_opts: {type: none, o: bind, device: /etc}\n  b:\n    driver_opts: {type: nfs, o: addr=x, device: /etc}\n"
	expect(t, found(t, "C312", "compose.yml", volume), `compose.yml:4:48-52 volume "a" is the folder "/etc" of the host, the host's configuration; expected a volume of its own`)
}

func TestASocketProxyMayHaveTheSocket(t *testing.T) {
	for _, image := range []string{"tecnativa/docker-socket-proxy:0.3.0", "lscr.io/linuxserver/socket-proxy:3.2.0"} {
		expect(t, found(t, "C301", "compose.yml", "services:\n  p:\n    image: "+image+"\n    volumes: [/var/run/docker.sock:/s]\n"))
	}
}

func TestPrivileges(t *testing.T) {
	judge(t, []judged{
		{"C303", "privileged: true", []string{"true", "privileged: true"}},
		{"C303", "privileged: ${PRIV:-true}", []string{"${PRIV:-true}", "cap_add"}},
		{"C303", "privileged: false", nil},
		{"C303", "privileged: ${PRIV:-false}", nil},
		{"C304", "cap_add: [CAP_SYS_ADMIN, all, NET_ADMIN, CHOWN]", []string{"CAP_SYS_ADMIN", "mounting", "all", "everything"}},
		{"C305", "cap_add: [CAP_SYS_ADMIN, net_admin, CHOWN]", []string{"net_admin", "networks"}},
		{"C307", "network_mode: host", []string{"host", "network_mode: host"}},
		{"C307", "network_mode: bridge", nil},
		{"C308", "pid: host", []string{"host", "pid: host"}},
		{"C309", "ipc: shareable", nil},
		{"C310", "userns_mode: host\nuts: host\ncgroup: host\ncgroup_parent: x", []string{"host", "userns_mode", "host", "uts", "host", "cgroup: host", "x", "cgroup_parent"}},
		{"C310", "cgroup: private", nil},
		{"C315", "security_opt: ['seccomp=unconfined', 'label:disable', 'no-new-privileges:true', 'apparmor:mine']", []string{"'seccomp=unconfined'", "seccomp", "'label:disable'", "label"}},
		{"C317", "user: root:root", []string{"root:root", "user: root:root"}},
		{"C317", "user: 0", []string{"0", "user: 0"}},
		{"C317", "user: ${UID}:${GID}", nil},
		{"C317", "user: rooty", nil},
		{"C319", "extra_hosts: ['a:host-gateway', 'b:192.0.2.1']", []string{"host-gateway", "host-gateway"}},
		{"C319", "extra_hosts: {a: host-gateway}", []string{"host-gateway", "host-gateway"}},
		{"C339", "sysctls: {net.core.somaxconn: 5, vm.swappiness: 1, kernel.shmmax: 2}", []string{"vm.swappiness", "vm.swappiness"}},
		{"C339", "sysctls: [vm.max_map_count=1, fs.mqueue.msg_max=2]", []string{"vm.max_map_count", "vm.max_map_count"}},
		{"C311", "cap_drop: [all]", nil},
		{"C311", "security_opt: ['no-new-privileges=true']", nil},
		{"C311", "security_opt: ['no-new-privileges:false']", []string{"app", "no-new-privileges:true], which docker stack deploy ignores"}},
		{"C335", "mem_limit: 5m", nil},
		{"C336", "deploy: {resources: {limits: {memory: 5M}}}", []string{"app", "processors"}},
	})
}

func TestTheHostsNetworkOfASwarm(t *testing.T) {
	const service = "services:\n  app:\n    networks: [outside, host, inside]\n  web:\n    networks:\n      outside:\n        aliases: [x]\n"
	const networks = "networks:\n  outside: {external: true, name: host}\n  host: {external: true}\n  inside:\n"
	const is = ` is the host's own: service `
	want := []string{":3:16-23 network \"outside\"" + is, ":3:25-29 network \"host\"" + is, ":6:7-14 network \"outside\"" + is}
	for _, got := range [][]string{
		found(t, "C307", "compose.yml", service+networks),
		found(t, "C307", "compose.yml", "services: {}\n"+networks, "compose.x.yml", service),
	} {
		if len(got) != len(want) {
			t.Fatalf("found %q", got)
		}
		for i := range got {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("found %s; expected %s", got[i], want[i])
			}
		}
	}
	expect(t, found(t, "C307", "compose.yml", service+"networks: {outside: , host: , inside: }\n"))
}

func TestWhatStandsBehindAnAnchorIsReportedOnce(t *testing.T) {
	text := "x-a: &a\n  privileged: true\n  cap_add: [ALL]\n  volumes: [/var/run/docker.sock:/s]\n  environment: {A_PASSWORD: admin}\n  ports: [5432]\nservices:\n  one: {<<: *a}\n  two: {<<: *a}\n"
	for _, rule := range []string{"C301", "C303", "C304", "C321", "C327"} {
		if got := found(t, rule, "compose.yml", text); len(got) != 1 {
			t.Errorf("%s found %q; expected one finding", rule, got)
		}
	}
}

func TestAnOverlayIsNotAskedForWhatItsBaseSays(t *testing.T) {
	base := "services:\n  app: {image: a:1.2, cap_drop: [ALL]}\n"
	expect(t, found(t, "C306", "compose.yml", base, "compose.x.yml", "services:\n  app: {user: nobody}\n"))
	got := found(t, "C306", "compose.yml", base, "compose.x.yml", "services:\n  app: {user: nobody}\n  db: {image: b:1.2}\n")
	expect(t, got, `compose.x.yml:3:3-5 service "db" keeps all of docker's default capabilities; expected cap_drop: [ALL], and cap_add for what it needs`)
}

// TestUnsafeKeysAreReportedOnce holds that S203 leaves to the security rules what
// they speak of, and nothing else of the same keys.
func TestUnsafeKeysAreReportedOnce(t *testing.T) {
	tests := []struct{ line, by string }{
		{"privileged: true", "C303"}, {"privileged: false", "S203"}, {"network_mode: host", "C307"}, {"network_mode: none", "S203"},
		{"pid: host", "C308"}, {"ipc: host", "C309"}, {"userns_mode: host", "C310"}, {"cgroup_parent: x", "C310"},
		{"devices: [/dev/sda]", "C314"}, {"devices: [/dev/dri]", "S203"},
		{"security_opt: ['seccomp:unconfined']", "C315"}, {"security_opt: ['no-new-privileges:true']", "S203"},
	}
	rules := lint.Options{Only: []string{"S203", "C303", "C307", "C308", "C309", "C310", "C314", "C315"}}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			tree := fstest.MapFS{"compose.yml": {Data: []byte(serviceWith(test.line))}}
			findings := run(t, tree, lint.World{}, rules).Findings
			if len(findings) != 1 || findings[0].Rule != test.by {
				t.Errorf("found %q; expected one of %s", lines(findings), test.by)
			}
		})
	}
}
