package restic

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// detach gives restic a session of its own: ctrl-C in the terminal is galley's to
// handle, and a program of the backend's finds no terminal to ask on. It dies with
// galley, and so may hold the end of its input, which galley's death does not close.
func detach(cmd *exec.Cmd, in *conduit) {
	if in != nil {
		cmd.ExtraFiles = []*os.File{in.ours}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// widen gives a pipe room for what restic writes at a time, a blob, so that the two ends
// wait for each other less. It is a wish: who may not have it goes on without.
func widen(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, conduitBytes) })
	}
}

// killAll ends restic and what it started.
func killAll(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// transferred is how many bytes a process has read and written so far, sockets
// included (proc(5), rchar and wchar in /proc/pid/io); 0 when it cannot be told.
func transferred(pid int) (bytes int64) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && (name == "rchar" || name == "wchar") {
			bytes += n
		}
	}
	return bytes
}
