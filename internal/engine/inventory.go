package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// watched are paths that a daemon with default settings makes on the host.
var watched = []string{
	"/etc/docker", "/run/containerd", "/run/docker", "/run/docker.pid", "/run/docker.sock",
	"/var/lib/containerd", "/var/lib/docker",
}

// daemons are the processes of any engine, by command name, which the kernel cuts
// to 15 bytes.
var daemons = []string{"dockerd", "containerd", "containerd-shim", "docker-proxy", "docker-init", "runc"}

// Inventory lists what exists on this host of the kinds that galley could leave
// behind: network namespaces, links, mounts, processes, cgroups and directories, one
// sorted line each, named by id. Engines in os.TempDir() whose owner is another
// process that lives are left out, with all that is theirs: a test beside it shall
// not see them come and go. Lists are comparable within one boot.
func Inventory(ctx context.Context) ([]string, error) {
	var lines []string
	v, err := newView()
	if err != nil {
		return nil, fmt.Errorf("listing what is on this host: %w", err)
	}
	for _, part := range []func(*view) ([]string, error){
		listProcesses, listLinks, listMounts, listCgroups, listPaths,
	} {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("listing what is on this host: %w", err)
		}
		found, err := part(v)
		if err != nil {
			return nil, fmt.Errorf("listing what is on this host: %w", err)
		}
		lines = append(lines, found...)
	}
	slices.Sort(lines)
	return slices.Compact(lines), nil
}

// Left returns the lines of after that before does not have.
func Left(before, after []string) []string {
	var left []string
	for _, line := range after {
		if !slices.Contains(before, line) {
			left = append(left, line)
		}
	}
	return left
}

// view is one look at the host's processes and engines.
type view struct {
	procs   map[int]stat
	mine    []record // engines of this process, and of owners that are gone
	foreign []record
}

func newView() (*view, error) {
	found, err := records(os.TempDir())
	if err != nil {
		return nil, err
	}
	v := &view{}
	for _, r := range found {
		gone, err := r.orphaned()
		if err != nil {
			return nil, err
		}
		if gone || r.Owner.PID == os.Getpid() {
			v.mine = append(v.mine, r)
			continue
		}
		v.foreign = append(v.foreign, r)
	}
	v.procs, err = processes()
	return v, err
}

// below reports whether pid belongs to one of the engines.
func (v *view) below(engines []record, pid int) bool {
	return slices.ContainsFunc(engines, func(r record) bool {
		return r.Init.PID > 0 && descends(v.procs, pid, r.Init.PID)
	})
}

// foreigner reports whether a name on the host belongs to a foreign engine.
func (v *view) foreigner(name string) bool {
	return slices.ContainsFunc(v.foreign, func(r record) bool { return strings.Contains(name, r.ID) })
}

// listProcesses lists daemons, everything in an engine's PID namespace, and the
// network namespaces that any process is in.
func listProcesses(v *view) ([]string, error) {
	var lines []string
	for pid, s := range v.procs {
		if s.dead() || v.below(v.foreign, pid) {
			continue
		}
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		if ns, err := os.Readlink(filepath.Join(proc, "ns", "net")); err == nil {
			lines = append(lines, "netns "+ns)
		}
		args, err := os.ReadFile(filepath.Join(proc, "cmdline"))
		if err != nil {
			continue // it has ended
		}
		if slices.Contains(daemons, s.comm) || strings.Contains(string(args), Marker) || v.below(v.mine, pid) {
			lines = append(lines, fmt.Sprintf("process %d %s", pid, s.comm))
		}
	}
	return lines, nil
}

func listLinks(v *view) ([]string, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, l := range links {
		if !v.foreigner(l.Name) {
			lines = append(lines, "link "+l.Name)
		}
	}
	return lines, nil
}

func listMounts(v *view) ([]string, error) {
	mounts, err := mountInfo()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, m := range mounts {
		named := m.fstype == "nsfs" || strings.Contains(m.point, "galley") ||
			strings.Contains(m.point, "docker") || strings.Contains(m.point, "netns")
		if named && !v.foreigner(m.point) {
			lines = append(lines, fmt.Sprintf("mount %s %s", m.point, m.fstype))
		}
	}
	return lines, nil
}

func listCgroups(v *view) ([]string, error) {
	roots, err := cgroupRoots()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, root := range roots {
		dirs, err := dirsBelow(root)
		if err != nil {
			return nil, err
		}
		for _, d := range dirs {
			named := strings.Contains(d, Marker) || strings.Contains(d, "docker")
			if named && !v.foreigner(d) {
				lines = append(lines, "cgroup "+d)
			}
		}
	}
	return lines, nil
}

func listPaths(v *view) ([]string, error) {
	var lines []string
	for _, pattern := range []string{filepath.Join(os.TempDir(), "galley-*"), "/run/netns/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if !v.foreigner(path) {
				lines = append(lines, "path "+path)
			}
		}
	}
	for _, path := range watched {
		_, err := os.Lstat(path)
		if err == nil {
			lines = append(lines, "path "+path)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return lines, nil
}
