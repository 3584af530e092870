package deployer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/galley-coop/galley/internal/fault"
)

// TerminalSize is a terminal's, in characters.
type TerminalSize struct{ Rows, Columns uint }

// ExecOptions are a command to run inside a container, and how.
type ExecOptions struct {
	Command []string
	Env     []string // NAME=value, beside what the container has
	User    string   // "" for the container's own
	WorkDir string
	// Terminal asks for a terminal inside; output is one stream then, Stdout.
	Terminal bool
	Stdin    io.Reader // nil for none
	Stdout   io.Writer
	Stderr   io.Writer
	// Sizes tells a terminal's size at the start and when it changes; nil for none.
	Sizes <-chan TerminalSize
}

// Exec runs a command inside the container and waits for its end. code is the
// command's own: 126 and 127 are, as in a shell, a command that could not be run.
//
// When ctx ends it stops waiting, which is fault.Interrupted: the command goes on
// inside, because engines have no way to end it.
func (c *Container) Exec(ctx context.Context, o ExecOptions) (code int, err error) {
	short, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	created, err := c.api.ContainerExecCreate(short, c.ID, container.ExecOptions{
		Cmd: o.Command, Env: o.Env, User: o.User, WorkingDir: o.WorkDir, Tty: o.Terminal,
		AttachStdin: o.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, fmt.Errorf("running %q in service %q: %w", o.Command[0], c.Service, err)
	}
	stream, err := c.api.ContainerExecAttach(short, created.ID, container.ExecAttachOptions{Tty: o.Terminal})
	if err != nil {
		return 0, fmt.Errorf("running %q in service %q: %w", o.Command[0], c.Service, err)
	}
	defer stream.Close()
	release := context.AfterFunc(ctx, stream.Close)
	defer release()
	resizing, stop := context.WithCancel(ctx)
	defer stop()
	go c.resize(resizing, created.ID, o.Sizes)
	if o.Stdin != nil {
		// Left alone when the command ends first: nothing takes a read back.
		go func() {
			_, _ = io.Copy(stream.Conn, o.Stdin)
			_ = stream.CloseWrite()
		}()
	}
	err = pass(stream, o)
	if ctx.Err() != nil {
		err := fault.New(fault.Interrupted, "interrupted; what was started in service %q may go on", c.Service)
		return 0, fault.Hint(err, "its container ends with the next restart of the service")
	}
	if err != nil {
		return 0, fmt.Errorf("running %q in service %q: %w", o.Command[0], c.Service, err)
	}
	return c.exitCode(ctx, created.ID)
}

// pass copies the command's output until it ends. A writer that fails is the
// command line's to tell of.
func pass(stream types.HijackedResponse, o ExecOptions) (err error) {
	if o.Terminal {
		_, err = io.Copy(o.Stdout, stream.Reader)
		return err
	}
	_, err = stdcopy.StdCopy(o.Stdout, o.Stderr, stream.Reader)
	return err
}

func (c *Container) resize(ctx context.Context, id string, sizes <-chan TerminalSize) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-sizes:
			if !ok {
				return
			}
			// Best effort: a wrong size is no reason to end a session.
			short, cancel := context.WithTimeout(ctx, requestTimeout)
			_ = c.api.ContainerExecResize(short, id, container.ResizeOptions{Height: size.Rows, Width: size.Columns})
			cancel()
		}
	}
}

// exitCode asks until the engine has noted the end: its stream may close first.
func (c *Container) exitCode(ctx context.Context, id string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		state, err := c.api.ContainerExecInspect(ctx, id)
		if err != nil {
			return 0, fmt.Errorf("asking for the exit code in service %q: %w", c.Service, err)
		}
		if !state.Running {
			return state.ExitCode, nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, errors.Join(fmt.Errorf("the command in service %q closed its output and goes on", c.Service), err)
		}
	}
}
