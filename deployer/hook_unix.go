//go:build unix

package deployer

import (
	"os/exec"
	"syscall"
)

// endAll has a command's deadline end what it started, too.
func endAll(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
