package bare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Machine is one bare machine.
type Machine struct {
	// Name is its host name, and what the site's ssh calls it.
	Name string
	// Addr is its address on the site's network.
	Addr netip.Addr
	// Plain machines have no systemd that runs: services are started by their scripts.
	Plain bool
	// HostKey is the fingerprint of its ssh host key: "SHA256:…".
	HostKey string

	process *process
	gate    io.WriteCloser
	dir     string
}

// bootScript is the first process of a machine. Arguments: root, directory of the
// machine, files to lay over the root, cgroup, "systemd" or "sshd", and the script that
// comes next. Once the owner has plugged the link in, that reads the machine's address
// and prefix length, the gateway and the host name. An owner that dies ends it.
//
//   - What the machine writes is in a tmpfs. The engine's data are not on the overlay: an
//     overlay in an overlay is refused by the kernel.
//   - systemd has a cgroup of its own for the root of all cgroups, and sees no other.
//     Without it the cgroups are the host's; the engine is told to stay below one of them.
const bootScript = `set -eu
mount -n --make-rprivate /
mount -n -t tmpfs -o mode=755 galley-bare "$2"
mkdir "$2/changes" "$2/work" "$2/root" "$2/docker"
mount -n -t overlay -o "lowerdir=$1,upperdir=$2/changes,workdir=$2/work" galley-bare "$2/root"
cp -a "$3/." "$2/root/"
[ "$5" = systemd ] || exec sh -c "$6" galley-bare "$2" "$5"
while read -r _ at type _; do
	case $type in cgroup | cgroup2) ;; *) continue ;; esac
	mkdir "$at/$4"
	if [ "$type" = cgroup ] && [ -e "$at/cpuset.cpus" ]; then
		cat "$at/cpuset.cpus" >"$at/$4/cpuset.cpus"
		cat "$at/cpuset.mems" >"$at/$4/cpuset.mems"
	fi
	echo 0 >"$at/$4/cgroup.procs"
done </proc/self/mounts
exec unshare --cgroup sh -c "$6" galley-bare "$2" "$5"
`

// innerScript goes on in the machine's cgroup. Arguments: directory of the machine,
// "systemd" or "sshd".
//
//   - /dev has the devices that every machine has, and no others.
//   - The kernel's settings are the whole host's, but for those of the network: neither
//     systemd nor dockerd may raise them.
//   - Without systemd a shell is the first process: it reaps what others leave behind.
const innerScript = `set -eu
groups=$(while read -r _ at type _; do case $type in cgroup | cgroup2) echo "$type:$at" ;; esac; done </proc/self/mounts)
cd "$1/root"
mkdir -p var/lib/docker
mount -n --bind "$1/docker" var/lib/docker
mount -n -t proc proc proc
mount -n -t tmpfs -o mode=755 galley-bare run
mkdir run/lock run/sshd
mount -n -t sysfs sysfs sys
if [ "$2" = systemd ]; then
	case $groups in *cgroup:*) mount -n -t tmpfs -o mode=755 cgroup sys/fs/cgroup ;; esac
	for group in $groups; do
		at=${group#*:} type=${group%%:*}
		mkdir -p ".$at"
		case $type:${at##*/} in
		cgroup2:*) mount -n -t cgroup2 cgroup ".$at" ;;
		*:systemd) mount -n -t cgroup -o none,name=systemd cgroup ".$at" ;;
		*) mount -n -t cgroup -o "${at##*/}" cgroup ".$at" ;;
		esac
	done
else
	mount -n --rbind /sys/fs/cgroup sys/fs/cgroup
fi
mount -n -t tmpfs -o mode=755 galley-bare dev
for d in null zero full random urandom tty; do
	touch dev/$d
	mount -n --bind /dev/$d dev/$d
done
mkdir dev/pts dev/shm
mount -n -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
mount -n -t tmpfs shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
read -r address gateway name
echo "$name" >proc/sys/kernel/hostname
mount -n --bind proc/sys proc/sys
mount -n --bind proc/sys/net proc/sys/net
mount -n -o remount,bind,ro proc/sys
ip link set lo up
ip addr add "$address" dev ` + machineLink + `
ip link set ` + machineLink + ` up
ip route add default via "$gateway"
pivot_root . mnt
if [ "$2" = systemd ]; then
	exec env -i container=galley PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /bin/sh -c 'umount -n -l /mnt; exec /sbin/init' </dev/null
fi
exec chroot . /bin/sh -c 'umount -n -l /mnt; /usr/sbin/sshd -D & wait $!' galley-bare </dev/null
`

// start starts a machine on the network.
func (s *Site) start(ctx context.Context, name string, plain bool, i int) (*Machine, error) {
	m := &Machine{Name: name, Addr: s.net.address(i), Plain: plain, dir: filepath.Join(s.dir, name)}
	state, files := filepath.Join(m.dir, "state"), filepath.Join(m.dir, "files")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	if err := s.furnish(ctx, m, files); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(m.dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("sh", "-c", bootScript, s.id, s.root, state, files, s.id+"-"+name, m.init(), innerScript)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	if m.gate, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
	if m.process, err = spawn(cmd, namespaces); err != nil {
		return nil, fmt.Errorf("starting machine %s: %w", name, err)
	}
	s.Machines = append(s.Machines, m)
	if err := s.net.plug(ctx, fmt.Sprintf("port%d", i), m.process.pid()); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(m.gate, "%s %s %s\n", netip.PrefixFrom(m.Addr, netBits), s.net.host, name); err != nil {
		return nil, fmt.Errorf("starting machine %s: %w", name, err)
	}
	return m, m.await(ctx)
}

// init is what the machine's first process becomes.
func (m *Machine) init() string {
	if m.Plain {
		return "sshd"
	}
	return "systemd"
}

// await waits until the machine's sshd answers.
func (m *Machine) await(ctx context.Context) error {
	err := until(ctx, dialTime, func() error {
		select {
		case <-m.process.done:
			return nil // the next line tells
		default:
		}
		conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(m.Addr, 22).String(), dialTime)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	select {
	case <-m.process.done:
		err = errors.New("it ended")
	default:
	}
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(m.dir, "log")) // what there is of it
		return fmt.Errorf("waiting for the sshd of machine %s: %w: %s", m.Name, err, tail(string(said), 5))
	}
	return nil
}

// daemonFile is the configuration that the machine has for its engine.
func (s *Site) daemonFile(m *Machine) string {
	more := ""
	if m.Plain {
		more = fmt.Sprintf(",\n  \"cgroup-parent\": %q", "/"+s.id)
	}
	return fmt.Sprintf("{\n  \"insecure-registries\": [%q]%s\n}\n", s.net.prefix, more)
}

// limitless is read by the init script of Debian's engine, which raises limits before it
// starts it. Where nobody may, as in most containers, it goes on without.
const limitless = "ulimit() { command ulimit \"$@\" 2>/dev/null || :; }\n"

// mayRaiseLimits tells whether this process has CAP_SYS_RESOURCE (capabilities(7)).
func mayRaiseLimits() bool {
	const sysResource = 24
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if set, ok := strings.CutPrefix(line, "CapEff:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			return err == nil && bits&(1<<sysResource) != 0
		}
	}
	return false
}

// furnish makes the files that make a machine itself: keys, names, and the way that its
// host's apt has to packages. The engine's configuration is there before the engine, as
// it is where images come from a registry without TLS.
func (s *Site) furnish(ctx context.Context, m *Machine, files string) error {
	public, err := os.ReadFile(filepath.Join(s.dir, keyName+".pub"))
	if err != nil {
		return err
	}
	all := map[string]string{
		"etc/hostname":                    m.Name + "\n",
		"etc/hosts":                       "127.0.0.1 localhost\n" + m.Addr.String() + " " + m.Name + "\n",
		"etc/resolv.conf":                 "nameserver 127.0.0.1\n",
		"etc/apt/sources.list":            s.apt.list,
		"etc/apt/apt.conf.d/90mirror":     fmt.Sprintf("%sAcquire::http::Proxy %q;\nAcquire::https::Proxy %q;\nAcquire::Languages \"none\";\n", s.apt.config, s.proxy.url, s.proxy.url),
		"etc/ssh/sshd_config.d/bare.conf": "PermitRootLogin prohibit-password\nPasswordAuthentication no\nHostKey /etc/ssh/" + hostKeyName + "\n",
		"root/.ssh/authorized_keys":       string(public),
		"etc/ssh/keys/" + User:            string(public),
		"etc/docker/daemon.json":          s.daemonFile(m),
	}
	if m.Plain && !mayRaiseLimits() {
		all["etc/default/docker"] = limitless
	}
	all["etc/ssh/sshd_config.d/bare.conf"] += "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\n"
	for name, content := range all {
		path := filepath.Join(files, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(files, "root"), 0o700); err != nil { // as the root directory has it
		return err
	}
	hostKey := filepath.Join(files, "etc/ssh", hostKeyName)
	if err := makeKey(ctx, hostKey); err != nil {
		return err
	}
	printed, err := run(ctx, toolTimeout, "ssh-keygen", "-l", "-f", hostKey+".pub")
	if err != nil {
		return err
	}
	if fields := strings.Fields(printed); len(fields) > 1 {
		m.HostKey = fields[1]
	}
	return s.addHost(m)
}
