package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// namespaces are the engine's own: nothing it mounts, runs or configures in them
// outlives the last of its processes. That of host names is for clusters, whose
// nodes are told apart by theirs.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS

// supervise is the first process of the engine's PID namespace, as a shell script
// with the log's directory set up already. Arguments: the daemon's command line.
// It reads the engine's address, prefix length and host name ("" keeps the machine's)
// from its input once the owner has moved the link in; an owner that dies before
// closes the input and ends it.
//
//   - /run is private, so that dockerd starts its own containerd instead of joining
//     the system's, and leaves neither pid file nor plugin sockets on the host.
//   - /etc is the host's, less what would configure the daemon, and with a resolver
//     that refuses at once: there is no way out. Links are copied, as those that are
//     relative lead nowhere from /run/etc.
//   - /var/lib is empty: whatever its data root, libnetwork writes to /var/lib/docker.
//   - /sys is that of the engine's network namespace, with the host's cgroups. It has
//     no securityfs, so dockerd loads no AppArmor profile into the kernel.
//   - /proc/sys/kernel/keys is read-only: dockerd raises the whole machine's limits.
//   - The shell stays as the parent that reaps what the daemon's children leave, and
//     starts the daemon again when Restart says so.
const supervise = `set -eu
mount -n --make-rprivate /
mount -n -t proc proc /proc
mount -n -t tmpfs -o mode=755 galley-engine /run
mkdir /run/etc /run/lock
mount -n --bind /etc /run/etc
mount -n -t tmpfs -o mode=755 galley-engine /etc
ln -s /run/etc/* /run/etc/.[!.]* /etc/
for f in /run/etc/*; do
	if [ -L "$f" ]; then cp -Pf "$f" /etc/; fi
done
rm -f /etc/docker /etc/containerd /etc/resolv.conf
mkdir /etc/docker
mount -n -t tmpfs -o mode=755 galley-engine /var/lib
if [ -d /proc/sys/kernel/keys ]; then
	mount -n --bind /proc/sys/kernel/keys /proc/sys/kernel/keys
	mount -n -o remount,bind,ro /proc/sys/kernel/keys
fi
mkdir /run/cgroup
mount -n --rbind /sys/fs/cgroup /run/cgroup
mount -n -t sysfs sysfs /sys
mount -n --rbind /run/cgroup /sys/fs/cgroup
umount -n -l /run/cgroup
read -r node bits name
if [ -n "$name" ]; then echo "$name" >/proc/sys/kernel/hostname; fi
echo "nameserver $node" >/etc/resolv.conf
ip link set lo up
ip addr add "$node/$bits" dev ` + innerLink + `
ip link set ` + innerLink + ` up
while :; do
	"$@" --insecure-registry "$node/$bits" </dev/null &
	status=0
	wait $! || status=$?
	[ -e ` + againPath + ` ] || exit $status
	rm ` + againPath + `
	# A vxlan that the daemon left behind would be in the way of its successor's.
	for left in /run/docker/netns/*; do umount "$left" 2>/dev/null && rm -f "$left" || :; done
	for left in $(ip -o link show type vxlan 2>/dev/null | cut -d: -f2 | cut -d@ -f1); do ip link del "$left" 2>/dev/null || :; done
done
`

// againPath, inside the engine's own /run, tells the supervisor that the daemon's end
// is not the engine's.
const againPath = "/run/galley-again"

// supervisor is the running first process of an engine's PID namespace.
type supervisor struct {
	process
	gate io.WriteCloser
	done chan struct{} // closed when it has ended and everything below it with it
}

// spawn starts a supervisor that runs script with args. The one of an engine waits
// for release before it starts the daemon.
//
// The kernel sends the death signal when the *thread* that started the child ends
// (prctl(2)), so one goroutine keeps its thread for as long as the supervisor lives.
func spawn(r record, script string, args []string) (*supervisor, error) {
	log, err := os.OpenFile(filepath.Join(r.Dir, logName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the daemon's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(findTool("sh", ""), append([]string{"-c", script, Marker + r.ID}, args...)...)
	cmd.Dir = "/"
	// Nothing of the owner's environment: a proxy there would get the pulls.
	cmd.Env = []string{"PATH=" + searchPath(toolDir(args)), "HOME=/root"}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: namespaces,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true, // a ctrl-C in the owner's terminal is the owner's to handle
	}
	gate, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the daemon's supervisor: %w", err)
	}
	s := &supervisor{gate: gate, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // ends by a signal, or with the daemon's status: the log tells why
		close(s.done)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("starting the daemon's supervisor: %w", err), gate.Close())
	}
	if s.process, err = processOf(cmd.Process.Pid); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the daemon's supervisor: %w", err), gate.Close())
	}
	return s, nil
}

// toolDir is where the first of args is, which brings its own tools along.
func toolDir(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return filepath.Dir(args[0])
}

// release tells the supervisor that its link is there, and the engine's host name.
func (s *supervisor) release(n subnet, name string) error {
	_, err := fmt.Fprintf(s.gate, "%s %d %s\n", n.node, n.prefix.Bits(), name)
	if err = errors.Join(err, s.gate.Close()); err != nil {
		return fmt.Errorf("releasing the daemon's supervisor: %w", err)
	}
	return nil
}

// kill ends a process that was recorded, and everything in its PID namespace if it
// is the first there. A recycled id is left alone.
func kill(p process) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ending process %d: %w", p.PID, err)
	}
	return nil
}

// unmount detaches a mount point at once, whoever still uses it.
func unmount(path string) error {
	if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("unmounting %q: %w", path, err)
	}
	return nil
}

// checkNamespaces starts a process in namespaces like the engine's.
func checkNamespaces() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, findTool("sh", ""), "-c", "mount -n --make-rprivate / && mount -n -t proc proc /proc")
	cmd.Env = []string{"PATH=" + searchPath("")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w %s", err, oneLine(out))
	}
	return nil
}
