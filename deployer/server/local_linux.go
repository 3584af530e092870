package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/system"
)

// localFacts reads the facts of an engine that listens on a socket of this machine.
// Who listens is asked of the kernel: behind a socket that ssh forwards is another
// machine. The engine's own root and network are looked at where this user may: it can
// run in namespaces.
func localFacts(socket string, info system.Info) (*Facts, error) {
	pid, err := listener(socket)
	if err != nil {
		return nil, err
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	comm, err := os.ReadFile(filepath.Join(proc, "comm"))
	name := strings.TrimSpace(string(comm))
	switch {
	case err != nil:
		return nil, fmt.Errorf("finding out who listens on %s: %w", socket, err)
	case name != "dockerd" && (name != "systemd" || pid != 1):
		return nil, fmt.Errorf("what listens on %s is %q and not the engine: %w", socket, name, errElsewhere)
	}
	root := filepath.Join(proc, "root")
	if _, err := os.Stat(root + "/."); err != nil {
		if host, _ := os.Hostname(); host != info.Name {
			return nil, errElsewhere
		}
		root, proc = "/", "/proc/self" // a user who may not look into the process
	}
	f := &Facts{Disk: statfs(root, info.DockerRootDir)}
	f.readLocal(root)
	if routes, err := os.ReadFile(filepath.Join(proc, "net/route")); err == nil {
		f.Routes = parseRoutes(string(routes))
	}
	own, err := os.Readlink(filepath.Join(proc, "ns/net"))
	if here, _ := os.Readlink("/proc/self/ns/net"); err == nil && own == here {
		f.dial = dialHere
	}
	if name == "dockerd" {
		if line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline")); err == nil {
			f.Flags = strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		}
	}
	return f, nil
}

// listener is the process that listens on a socket (SO_PEERCRED, unix(7)).
func listener(socket string) (int, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *syscall.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) {
		peer, peerErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, peerErr); err != nil {
		return 0, fmt.Errorf("finding out who listens on %s: %w", socket, err)
	}
	if peer.Pid == 0 { // of a PID namespace above this one
		return 0, fmt.Errorf("who listens on %s cannot be seen: %w", socket, errElsewhere)
	}
	return int(peer.Pid), nil
}

func statfs(root, path string) *Disk {
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Join(root, path), &s); err != nil {
		return nil
	}
	return &Disk{
		Path: path, Total: int64(s.Blocks) * int64(s.Bsize), Free: int64(s.Bavail) * int64(s.Bsize), // a 32-bit number on some
		Inodes: int64(s.Files), InodesFree: int64(s.Ffree),
	}
}
