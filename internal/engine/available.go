package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// tools are what an engine is started with, and Debian's packages that bring them.
var tools = []struct{ name, pkg string }{
	{"dockerd", "docker.io"},
	{"containerd", "containerd"},
	{"containerd-shim-runc-v2", "containerd"},
	{"runc", "runc"},
	{"iptables", "iptables"},
	{"ip", "iproute2"},
	{"mount", "mount"},
	{"sh", "dash"},
}

// Available tells whether a private engine can be started here: nil, or an error of
// one line that says what is missing and how to get it.
func Available() error { return available() }

var available = sync.OnceValue(func() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a private engine needs linux, this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("a private engine needs root: run as root, as in sudo -E")
	}
	var missing, pkgs []string
	for _, t := range tools {
		if findTool(t.name, "") == "" {
			missing = append(missing, t.name)
			if len(pkgs) == 0 || pkgs[len(pkgs)-1] != t.pkg {
				pkgs = append(pkgs, t.pkg)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("a private engine needs %s: on Debian, apt-get install %s",
			strings.Join(missing, ", "), strings.Join(pkgs, " "))
	}
	if !cgroupsMounted("/sys/fs/cgroup") {
		return errors.New("a private engine needs the control groups mounted under /sys/fs/cgroup: on Debian without systemd, apt-get install cgroupfs-mount")
	}
	if err := checkNamespaces(); err != nil {
		return fmt.Errorf("a private engine needs mount, PID and network namespaces, as in a privileged container: %w", err)
	}
	return nil
})

// cgroupsMounted tells whether one of the two kinds of control groups is there:
// the unified hierarchy, or the first one's device controller, which an engine
// refuses to start without.
func cgroupsMounted(root string) bool {
	for _, name := range []string{"cgroup.controllers", "devices/tasks"} {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			return true
		}
	}
	return false
}

// searchPath is PATH with the system directories that a user's PATH may lack, and
// with first ahead of them when it is not empty.
func searchPath(first string) string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	dirs = append(dirs, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
	if first != "" {
		dirs = append([]string{first}, dirs...)
	}
	var kept []string
	for _, d := range dirs {
		if filepath.IsAbs(d) {
			kept = append(kept, d)
		}
	}
	return strings.Join(kept, string(filepath.ListSeparator))
}

// findTool returns given when it is not empty, else the path of the executable name,
// else "".
func findTool(name, given string) string {
	if given != "" {
		return given
	}
	for _, dir := range filepath.SplitList(searchPath("")) {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// run runs a tool for at most half a minute and returns what it printed; its words are
// in the error.
func run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	path := findTool(name, "")
	if path == "" {
		return "", fmt.Errorf("running %s: not found in PATH or the sbin directories", name)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=" + searchPath(""), "LC_ALL=C"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s %s: %w: %s", name, strings.Join(args, " "), err, oneLine(stderr.Bytes()))
	}
	return string(out), nil
}

func oneLine(text []byte) string {
	return strings.Join(strings.Fields(string(text)), " ")
}
