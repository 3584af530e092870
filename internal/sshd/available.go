package sshd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// tools are what a server and its client need, and Debian's packages that bring them.
var tools = []struct{ name, pkg string }{
	{"sshd", "openssh-server"},
	{"ssh", "openssh-client"},
	{"ssh-keygen", "openssh-client"},
	{"mount", "mount"},
	{"sh", "dash"},
}

// Available tells whether a private ssh server can be started here: nil, or an error
// of one line that says what is missing and how to get it.
func Available() error { return available() }

var available = sync.OnceValue(func() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a private ssh server needs linux, this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("a private ssh server needs root: run as root, as in sudo -E")
	}
	for _, t := range tools {
		if findTool(t.name) == "" {
			return fmt.Errorf("a private ssh server needs %s: on Debian, apt-get install %s", t.name, t.pkg)
		}
	}
	return nil
})

// findTool returns the path of an executable in PATH or a system directory, else "".
// sshd wants to be called by its absolute path.
func findTool(name string) string {
	dirs := append(filepath.SplitList(os.Getenv("PATH")), strings.Fields("/usr/local/sbin /usr/sbin /usr/bin /sbin /bin")...)
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); filepath.IsAbs(path) && err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
