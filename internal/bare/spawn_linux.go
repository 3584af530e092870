package bare

import (
	"os/exec"
	"runtime"
	"syscall"
)

// process is the first one of a PID namespace: what it started ends with it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended, with err set
	err  error
}

// spawn starts cmd in new namespaces. The kernel ends it when this process ends, for
// which the thread that started it must live as long (prctl(2), PR_SET_PDEATHSIG).
func spawn(cmd *exec.Cmd, namespaces uintptr) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL, Setsid: true}
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
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, <-started
}

// kill ends it and all of its namespace, and returns when they are gone.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

func (p *process) pid() int { return p.cmd.Process.Pid }
