package main

import (
	"context"
	"encoding/json"
	"runtime/debug"
	"time"

	"github.com/galley-coop/galley/deployer/backup/carrier"
	"github.com/galley-coop/galley/deployer/shortcut"
)

// carryCmd is the helper's side of backups: galley runs itself as the only program
// of a container that has a volume mounted. What carries data answers on standard
// error, with one line of JSON when all went well: standard output is the stream.
type carryCmd struct {
	Pack    carryPackCmd    `cmd:"" hidden:"" help:"Write a folder as a tar stream to standard output."`
	Unpack  carryUnpackCmd  `cmd:"" hidden:"" help:"Read a tar stream from standard input into a folder."`
	Copy    carryCopyCmd    `cmd:"" hidden:"" help:"Copy everything in a folder into another."`
	Empty   carryEmptyCmd   `cmd:"" hidden:"" help:"Remove everything in a folder."`
	Space   carrySpaceCmd   `cmd:"" hidden:"" help:"Tell what a folder takes and what is free there."`
	Secrets carrySecretsCmd `cmd:"" hidden:"" help:"Print the files of a folder as JSON."`
	Wait    carryWaitCmd    `cmd:"" hidden:"" help:"Wait until told to end."`
}

// AfterApply keeps the helper small: it shares a node with the apps it serves, and
// what it holds at a time is a few megabytes, of which it collects garbage at five
// times as much.
func (carryCmd) AfterApply() error {
	saveMemory()
	debug.SetGCPercent(400)
	return nil
}

// summary ends a command that carried something.
func (s *streams) summary(sum carrier.Summary, err error) error {
	if err != nil {
		return err
	}
	return json.NewEncoder(s.err).Encode(sum)
}

type carryPackCmd struct {
	Dir   string   `arg:"" help:"The folder."`
	Paths []string `arg:"" optional:"" help:"What of it, relative to it; everything when none is given."`
}

// Run packs.
func (c *carryPackCmd) Run(ctx context.Context, s *streams) error {
	out := shortcut.Output(s.out)
	sum, err := carrier.Pack(ctx, c.Dir, c.Paths, out)
	if end := out.Close(); err == nil {
		err = end
	}
	return s.summary(sum, err)
}

type carryUnpackCmd struct {
	Dir string `arg:"" help:"The folder."`
}

// Run unpacks.
func (c *carryUnpackCmd) Run(ctx context.Context, s *streams) error {
	in := shortcut.Input(s.in)
	defer in.Close() // what was read from it counts
	return s.summary(carrier.Unpack(ctx, c.Dir, in))
}

type carryCopyCmd struct {
	From string `arg:"" help:"The folder to copy from."`
	To   string `arg:"" help:"The folder to copy into."`
}

// Run copies.
func (c *carryCopyCmd) Run(ctx context.Context, s *streams) error {
	return s.summary(carrier.Copy(ctx, c.From, c.To))
}

type carryEmptyCmd struct {
	Dir string `arg:"" help:"The folder."`
}

// Run empties.
func (c *carryEmptyCmd) Run(ctx context.Context) error { return carrier.Empty(ctx, c.Dir) }

type carrySpaceCmd struct {
	Dir string `arg:"" help:"The folder."`
}

// Run measures.
func (c *carrySpaceCmd) Run(ctx context.Context, s *streams) error {
	usage, err := carrier.Space(ctx, c.Dir)
	if err != nil {
		return err
	}
	return s.printJSON(usage)
}

type carryWaitCmd struct{}

// waitAtMost is how long a helper waits to be asked: whoever wants its secrets has
// given up long before.
const waitAtMost = 2 * time.Minute

// Run waits for a signal, which is how it is told to end, but not for ever: who should
// tell it may have died.
func (carryWaitCmd) Run(ctx context.Context, s *streams) error {
	s.printf("waiting\n")
	limit := time.NewTimer(waitAtMost)
	defer limit.Stop()
	select {
	case <-ctx.Done():
	case <-limit.C:
	}
	return nil
}
