package sshd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// supervise is the first process of the server's PID namespace, until it becomes
// sshd. Debian's sshd wants /run/sshd, which stands in a /run of the server's own: the
// machine's engine and its sockets are not for the sessions of a test.
const supervise = `set -eu
mount -n --make-rprivate /
mount -n -t proc proc /proc
mount -n -t tmpfs -o mode=755 galley-sshd /run
mkdir -m 755 /run/sshd
exec "$1" -D -e -f "$2"
`

// process is the running server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended, and all sessions with it
}

// spawn starts the server. The kernel sends the death signal when the thread that
// started the child ends (prctl(2)): one goroutine keeps its thread for as long.
func spawn(dir string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(findTool("sh"), "-c", supervise, "galley-sshd", findTool("sshd"), filepath.Join(dir, "sshd_config"))
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // ends by a signal, or with sshd's status: the log tells why
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting sshd: %w", err)
	}
	return p, nil
}

// kill ends the server, and every session in its PID namespace, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.done
}
