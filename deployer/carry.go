package deployer

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/strslice"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/galley-coop/galley/deployer/shortcut"
	"github.com/galley-coop/galley/internal/fault"
)

// CarryVolume is a volume that a helper sees, and where.
type CarryVolume struct {
	Name, Target string
	ReadOnly     bool
}

// CarryOptions say what a helper does.
type CarryOptions struct {
	// Stack is the stack that it works for; its container is labelled with it.
	Stack   string
	Args    []string // of `galley carry`
	Volumes []CarryVolume
	Stdin   io.Reader // nil for none
	Stdout  io.Writer // nil for none
	// Shortcut says that Stdout may come past the engine: the program asks for it by
	// shortcut.Output, and writes a lot.
	Shortcut bool
	// Log is told, in at most a few lines, what the helper says of its work.
	Log io.Writer
}

// carryCapabilities are what it takes to read and to write any file with its owner, mode
// and attributes. A helper has no other.
var carryCapabilities = strslice.StrSlice{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "MKNOD", "SETFCAP"}

// endGrace is how long a helper that was told to end may take.
const endGrace = 30 * time.Second

// Run runs a helper on the node and waits for its end. Volumes must exist: the engine
// would make the ones that do not. code is the program's own, and counts only without an
// error. When ctx ends, or Stdout takes no more, the helper is killed, and with it goes
// its container.
func (c *Carrier) Run(ctx context.Context, o CarryOptions) (code int, err error) {
	for _, v := range o.Volumes {
		if err := c.hasVolume(ctx, v.Name); err != nil {
			return 0, err
		}
	}
	short := c.shortcut(o)
	if short != nil {
		defer short.Close()
	}
	id, err := c.create(ctx, o, short)
	if short != nil && refusesFolder(err) {
		short.Close()
		short = nil
		id, err = c.create(ctx, o, nil)
	}
	if err != nil {
		return 0, fmt.Errorf("making a helper on node %q: %w", c.Node, err)
	}
	code, err = c.run(ctx, id, o, short)
	if err != nil {
		c.end(ctx, id)
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, fmt.Errorf("running a helper on node %q: %w", c.Node, err)
	}
	return code, nil
}

// shortcut is a way past the engine, where one is wanted and the engine may see this
// machine's files; nil is none, and nothing is lost by it.
func (c *Carrier) shortcut(o CarryOptions) *shortcut.Shortcut {
	if !o.Shortcut || o.Stdout == nil || runtime.GOOS != "linux" || !strings.HasPrefix(c.api.DaemonHost(), "unix://") {
		return nil
	}
	s, err := shortcut.Open(c.shortcuts)
	if err != nil {
		return nil
	}
	return s
}

// refusesFolder tells the answer of an engine that does not see a folder, or may not give
// it to a container: 400 of the engine's own, 403 and 500 of what some have before them.
func refusesFolder(err error) bool {
	return errdefs.IsInvalidArgument(err) || errdefs.IsPermissionDenied(err) || errdefs.IsInternal(err)
}

func (c *Carrier) hasVolume(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := c.api.VolumeInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return fault.New(fault.Unavailable, "node %q has no volume %q", c.Node, name)
	}
	if err != nil {
		return fmt.Errorf("looking for volume %q on node %q: %w", name, c.Node, err)
	}
	return nil
}

// create makes the helper's container. The request once sent is waited for also when ctx
// ends: given up half way it would leave one that nobody knows of, and that holds volumes.
func (c *Carrier) create(ctx context.Context, o CarryOptions, short *shortcut.Shortcut) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	var mounts []mount.Mount
	for _, v := range o.Volumes {
		mounts = append(mounts, mount.Mount{
			Type: mount.TypeVolume, Source: v.Name, Target: v.Target, ReadOnly: v.ReadOnly, VolumeOptions: &mount.VolumeOptions{NoCopy: true},
		})
	}
	var env []string
	if short != nil {
		env = []string{shortcut.Variable + "=" + shortcut.Path}
		mounts = append(mounts, mount.Mount{Type: mount.TypeBind, Source: short.Dir, Target: shortcut.Target, ReadOnly: true})
	}
	created, err := c.api.ContainerCreate(ctx, &container.Config{
		Image: c.image, Cmd: o.Args, Env: env, User: "0:0", NetworkDisabled: true, Labels: carrierLabels(o.Stack),
		AttachStdin: o.Stdin != nil, OpenStdin: o.Stdin != nil, StdinOnce: o.Stdin != nil, AttachStdout: true, AttachStderr: true,
	}, &container.HostConfig{
		AutoRemove: true, NetworkMode: "none", ReadonlyRootfs: true, Mounts: mounts,
		CapDrop: strslice.StrSlice{"ALL"}, CapAdd: carryCapabilities,
		SecurityOpt: []string{"no-new-privileges", "label=disable"}, // labels would keep it from volumes of other containers
		LogConfig:   container.LogConfig{Type: "none"},              // what it writes is data, and not for the node's disk
	}, nil, nil, "")
	return created.ID, err
}

// run starts the helper with its streams attached and waits for its end.
func (c *Carrier) run(ctx context.Context, id string, o CarryOptions, short *shortcut.Shortcut) (int, error) {
	soon, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	attached, err := c.api.ContainerAttach(soon, id, container.AttachOptions{Stream: true, Stdin: o.Stdin != nil, Stdout: true, Stderr: true})
	if err != nil {
		return 0, err
	}
	stream := &carried{HijackedResponse: attached, short: short}
	defer stream.Close()
	release := context.AfterFunc(ctx, stream.Close)
	defer release()
	// Asked before the start: the container is gone when it has ended.
	ended, failed := c.api.ContainerWait(ctx, id, container.WaitConditionNextExit)
	if err := c.api.ContainerStart(soon, id, container.StartOptions{}); err != nil {
		return 0, err
	}
	if err := c.passWhileUp(ctx, id, stream, o); err != nil {
		return 0, err
	}
	waiting := time.NewTimer(endGrace)
	defer waiting.Stop()
	select {
	case end := <-ended:
		if end.Error != nil {
			return 0, errors.New(oneLine(end.Error.Message))
		}
		return int(end.StatusCode), nil
	case err := <-failed:
		return 0, err
	case <-waiting.C:
		return 0, fmt.Errorf("its output ended, and it did not end within %s", endGrace)
	}
}

const (
	// askEvery is how often an engine is asked whether it still has a helper that says
	// nothing, and deafAsks how many times in a row it may not answer: a connection
	// that is dead does not tell.
	askEvery = 20 * time.Second
	deafAsks = 3
)

// passWhileUp is pass, ended when the node's engine does not answer any more.
func (c *Carrier) passWhileUp(ctx context.Context, id string, stream *carried, o CarryOptions) error {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	deaf := make(chan error, 1)
	go func() {
		for missed := 0; pause(asking, askEvery) == nil; {
			short, cancel := context.WithTimeout(asking, askEvery)
			_, err := c.api.ContainerInspect(short, id)
			cancel()
			if missed++; err == nil || errdefs.IsNotFound(err) {
				missed = 0
			}
			if missed == deafAsks {
				deaf <- fault.New(fault.Unavailable, "its engine does not answer any more: %v", cause(err))
				stream.Close()
				return
			}
		}
	}()
	err := c.pass(stream, o)
	select {
	case gone := <-deaf:
		return gone
	default:
		return err
	}
}

// pass copies what goes in and what comes out. What goes in may fail when the helper
// has ended: its exit code tells then.
func (c *Carrier) pass(stream *carried, o CarryOptions) error {
	var in sync.WaitGroup
	var inErr error
	if o.Stdin != nil {
		in.Go(func() {
			read := &readError{inner: o.Stdin}
			_, _ = io.CopyBuffer(stream.Conn, read, make([]byte, 1<<20))
			if inErr = read.err; inErr != nil {
				stream.Close() // half of it must not look like the whole
				return
			}
			_ = stream.CloseWrite()
		})
	}
	err := stream.output(orDiscard(o.Stdout), orDiscard(o.Log))
	if err != nil {
		stream.Close()
	}
	if closer, ok := o.Stdin.(io.Closer); ok {
		_ = closer.Close() // nobody reads it any more
	}
	in.Wait()
	if inErr != nil {
		return inErr
	}
	return err
}

// carried are a helper's streams.
type carried struct {
	types.HijackedResponse
	short *shortcut.Shortcut // nil for none
}

// Close ends what is under way.
func (s *carried) Close() {
	s.HijackedResponse.Close()
	if s.short != nil {
		s.short.Close()
	}
}

// output copies what the helper writes until its end, by whichever way it chose.
func (s *carried) output(stdout, log io.Writer) error {
	one := &oneWay{w: stdout}
	received := make(chan error, 1)
	if s.short == nil {
		received <- nil
	} else {
		go func() {
			err := s.short.Receive(one.by("the shortcut"))
			if err != nil {
				s.Close()
			}
			received <- err
		}()
	}
	// An engine sends 32 kB at a time, and what takes them may be a process away.
	usual := bufio.NewWriterSize(one.by("the engine"), 256<<10)
	_, err := stdcopy.StdCopy(usual, log, s.Reader)
	if err == nil {
		err = usual.Flush()
	}
	switch {
	case err != nil:
		s.Close()
	case s.short != nil:
		s.short.NobodyElse() // it has ended
	}
	return cmp.Or(<-received, err)
}

// oneWay is a writer with several ways to it, of which one is taken.
type oneWay struct {
	w     io.Writer
	mutex sync.Mutex
	taken string
}

func (o *oneWay) by(way string) io.Writer { return &wayOut{o, way} }

type wayOut struct {
	to  *oneWay
	way string
}

// Write implements io.Writer.
func (w *wayOut) Write(p []byte) (int, error) {
	w.to.mutex.Lock()
	defer w.to.mutex.Unlock()
	if w.to.taken = cmp.Or(w.to.taken, w.way); w.to.taken != w.way {
		return 0, fmt.Errorf("output came by %s, and then by %s", w.to.taken, w.way)
	}
	return w.to.w.Write(p)
}

// readError keeps what a reader failed with.
type readError struct {
	inner io.Reader
	err   error
}

func (r *readError) Read(p []byte) (int, error) {
	n, err := r.inner.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		r.err = err
	}
	return n, err
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// end kills a helper whatever ctx says. One that has ended is gone already.
func (c *Carrier) end(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	_ = c.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
}
