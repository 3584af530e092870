//go:build unix

package server

import (
	"os/exec"
	"syscall"
)

// detach takes the terminal from a program, so that neither it nor what it starts can
// ask there, and lets its deadline end all of them.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Env = append(cmd.Environ(), "SSH_ASKPASS_REQUIRE=never")
}
