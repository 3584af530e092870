package main

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// insideFlags say how a command runs inside a container.
type insideFlags struct {
	Slot int    `help:"The task's slot (default: any, a healthy one and the connected node first)." placeholder:"N"`
	User string `short:"u" help:"Run as this user of the container (default: the container's own)." placeholder:"USER"`
	// nil: as it is here
	TTY   *bool `name:"tty" negatable:"" short:"t" help:"Give the command a terminal (default: when this is one)."`
	Stdin *bool `name:"stdin" negatable:"" short:"i" help:"Give the command this standard input (default: yes; --no-stdin in loops that read their own)."`
}

type appRunCmd struct {
	oneApp      `embed:""`
	Service     string   `arg:"" help:"The service, as the compose file calls it."`
	Command     []string `arg:"" passthrough:"" name:"command" help:"The command and its arguments, behind a --."`
	insideFlags `embed:""`
	WorkDir     string   `short:"w" name:"workdir" help:"Run in this folder of the container." placeholder:"DIR"`
	Env         []string `short:"e" sep:"none" help:"Set a variable for the command." placeholder:"NAME=VALUE"`
}

func (appRunCmd) Help() string {
	return `Examples:
  galley app run cloud.example.org app -- sh
  galley app run cloud.example.org app -u www-data -- php occ status
  galley app run cloud.example.org db -- pg_dump -U app app >dump.sql
  galley app run cloud.example.org db -- psql -U app app <dump.sql

The command runs in a container of the service, on the connected node or on one
that servers/<server>/nodes leads to. The exit code is the command's own; galley's
own failures come with a line "galley: error:". With --output json what it wrote is answered as a document.`
}

// Run runs one command in a container.
func (c *appRunCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	command := c.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 || command[0] == "" {
		return fault.Hint(fault.New(fault.Usage, "there is no command to run"), "galley app run %s %s -- COMMAND", c.Domain, c.Service)
	}
	for _, e := range c.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return fault.New(fault.Usage, "%q sets no variable; expected NAME=VALUE", name)
		}
	}
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	inside, err := engine.Inside(ctx, app.Stack, c.Service, c.Slot)
	if err != nil {
		return err
	}
	return s.runInside(ctx, inside, c.insideFlags, deployer.ExecOptions{Command: command, Env: c.Env, WorkDir: c.WorkDir})
}

// runInside runs a command in a container with this command's streams.
func (s *streams) runInside(ctx context.Context, inside *deployer.Container, flags insideFlags, o deployer.ExecOptions) error {
	terminal := s.ask && isTerminal(s.out) && !s.json
	if flags.TTY != nil {
		if terminal = *flags.TTY; terminal && (!s.ask || s.json) {
			return fault.New(fault.Usage, "a terminal is asked for, and standard input is none")
		}
	}
	o.User, o.Terminal, o.Stdout, o.Stderr = flags.User, terminal, s.out, s.err
	if flags.Stdin == nil || *flags.Stdin {
		o.Stdin = s.in
	}
	if s.json {
		return s.runForMachine(ctx, inside, o)
	}
	var restore func()
	if terminal {
		var err error
		if o.Sizes, restore, err = s.rawTerminal(ctx); err != nil {
			return err
		}
	}
	code, err := inside.Exec(ctx, o)
	if restore != nil {
		restore()
	}
	if err != nil {
		return err
	}
	if code == 126 || code == 127 {
		s.notef("galley: note: in %s: code %d is of a command that could not be run, or was not found there\n", inside.Service, code)
	}
	return ended(code)
}

// maxCaptured bounds each stream of a command that is answered as a document.
const maxCaptured = 4 << 20

// runForMachine answers with what the command wrote.
func (s *streams) runForMachine(ctx context.Context, inside *deployer.Container, o deployer.ExecOptions) error {
	var out, errs captured
	o.Stdout, o.Stderr = &out, &errs
	code, err := inside.Exec(ctx, o)
	if err != nil {
		return err
	}
	err = s.printJSON(struct {
		*deployer.Container
		ExitCode  int    `json:"exit_code"`
		Stdout    string `json:"stdout"`
		Stderr    string `json:"stderr"`
		Truncated bool   `json:"truncated"` // there was more than is kept
	}{inside, code, out.text.String(), errs.text.String(), out.cut || errs.cut})
	if err != nil {
		return err
	}
	return ended(code)
}

// captured keeps the first maxCaptured bytes that are written to it.
type captured struct {
	text bytes.Buffer
	cut  bool
}

var _ io.Writer = (*captured)(nil)

func (c *captured) Write(p []byte) (int, error) {
	keep := min(len(p), maxCaptured-c.text.Len())
	c.text.Write(p[:keep])
	c.cut = c.cut || keep < len(p)
	return len(p), nil
}

// exited is returned by a command whose exit code is another program's.
type exited struct{ code int }

func (e exited) Error() string { return "the command inside ended with an exit code of its own" }

func ended(code int) error {
	if code == 0 {
		return nil
	}
	return exited{code}
}
