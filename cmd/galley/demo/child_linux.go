package demo

import (
	"os/exec"
	"syscall"
)

// dieTogether has the kernel end a command when the demo is killed: a deploy
// that outlives it would hold the stack's lock against the next demo. It counts
// from the thread that starts the command, which Run keeps to itself.
func dieTogether(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
