package restic

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// child is restic at work.
type child struct {
	cmd    *exec.Cmd
	errs   clipping      // its standard error
	moved  atomic.Int64  // bytes through its pipes
	grace  time.Duration // between SIGINT and SIGKILL
	read   chan error    // gets one value when its standard output was read to the end
	exited chan struct{}
	status error // of its end, once exited is closed

	once  sync.Once
	cause atomic.Pointer[error] // why it was ended by us
}

// start starts restic. in is its input, nothing where nil; read takes the standard output,
// and its error ends restic. The caller must wait.
//
// The kernel sends the death signal when the thread that started the child ends
// (prctl(2), PR_SET_PDEATHSIG), so one goroutine keeps its thread for as long as
// the child lives.
func (r *Repository) start(ctx context.Context, patience time.Duration, in *conduit, read func(io.Reader) error, args ...string) (*child, error) {
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	out, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	widen(out)
	c := &child{cmd: exec.Command(r.program(), args...), read: make(chan error, 1), exited: make(chan struct{})}
	c.grace = cmp.Or(r.grace, endGrace)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = r.environ(), end, &c.errs
	c.cmd.WaitDelay = endGrace // of a program of the backend's that keeps standard error open
	if in != nil {
		c.cmd.Stdin = in.theirs
	}
	detach(c.cmd, in)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		_ = end.Close() // ours: the end of its output is its end
		started <- err
		if err == nil {
			c.status = c.cmd.Wait()
			close(c.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(r.cannotStart(err), out.Close())
	}
	go c.answer(out, read)
	go c.watch(ctx, patience)
	return c, nil
}

// answer has the standard output read to its end.
func (c *child) answer(out *os.File, read func(io.Reader) error) {
	defer out.Close()
	err := read(out)
	if err != nil {
		c.end(err)
	}
	_, _ = io.Copy(io.Discard, out) // restic must not wait for us
	c.read <- err
}

// wait waits for restic's end and for what it said to be read. It does not
// classify: nil is an end with exit code 0 that nobody asked for.
func (c *child) wait() error {
	<-c.exited
	err := <-c.read
	if cause := c.cause.Load(); cause != nil {
		return *cause
	}
	if c.status != nil {
		return c.status
	}
	return err
}

// end has restic ended: it is asked to, and after a grace it is killed with all that
// it started. The first cause is kept. It does not wait.
func (c *child) end(cause error) {
	c.once.Do(func() {
		c.cause.Store(&cause)
		_ = c.cmd.Process.Signal(os.Interrupt) // it may have ended meanwhile
		go func() {
			grace := time.NewTimer(c.grace)
			defer grace.Stop()
			select {
			case <-c.exited:
			case <-grace.C:
				killAll(c.cmd)
			}
		}()
	})
}

// errStalled is why a request that makes no progress is ended.
var errStalled = errors.New("no progress")

// watch ends restic with the context, and when nothing moves for the length of
// patience.
func (c *child) watch(ctx context.Context, patience time.Duration) {
	tick := time.NewTicker(min(max(patience/20, 10*time.Millisecond), 5*time.Second))
	defer tick.Stop()
	seen, worked, since := c.moved.Load(), transferred(c.cmd.Process.Pid), time.Now()
	for {
		select {
		case <-c.exited:
			return
		case <-ctx.Done():
			c.end(context.Cause(ctx))
			return
		case now := <-tick.C:
			moved, work := c.moved.Load(), transferred(c.cmd.Process.Pid)
			switch {
			case moved != seen || work > worked+quietBytes:
				seen, worked, since = moved, work, now
			case now.Sub(since) > patience:
				c.end(errStalled)
				return
			}
		}
	}
}

// quietBytes is what restic may read and write without getting on: tries to
// connect, and telling that it still works.
const quietBytes = 64 << 10

// clipping keeps the beginning and the end of what is written to it.
type clipping struct {
	mutex      sync.Mutex
	head, tail []byte
}

const clipBytes = 8 << 10

func (c *clipping) Write(p []byte) (int, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	rest := p
	if room := clipBytes - len(c.head); room > 0 {
		n := min(room, len(rest))
		c.head, rest = append(c.head, rest[:n]...), rest[n:]
	}
	c.tail = append(c.tail, rest...)
	if over := len(c.tail) - clipBytes; over > 0 {
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
	return len(p), nil
}

func (c *clipping) String() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return string(c.head) + string(c.tail)
}
