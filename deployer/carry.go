package deployer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/strslice"

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
	// Shortcut says that Stdout, or Stdin where there is no Stdout, may go past the engine:
	// it is a lot, and the program asks for it by shortcut.Output or shortcut.Input.
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
	if !o.Shortcut || runtime.GOOS != "linux" || !strings.HasPrefix(c.api.DaemonHost(), "unix://") {
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
	stream := &carried{attached: attached, short: short, options: o}
	defer stream.Close()
	release := context.AfterFunc(ctx, stream.Close)
	defer release()
	// Asked before the start: the container is gone when it has ended.
	ended, failed := c.api.ContainerWait(ctx, id, container.WaitConditionNextExit)
	if err := c.api.ContainerStart(soon, id, container.StartOptions{}); err != nil {
		return 0, err
	}
	if err := c.passWhileUp(ctx, id, stream); err != nil {
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

// passWhileUp is the passing of its streams, ended when the node's engine does not answer any more.
func (c *Carrier) passWhileUp(ctx context.Context, id string, stream *carried) error {
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
	err := stream.pass()
	select {
	case gone := <-deaf:
		return gone
	default:
		return err
	}
}

// end kills a helper whatever ctx says. One that has ended is gone already.
func (c *Carrier) end(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	_ = c.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
}
