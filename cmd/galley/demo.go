package main

import (
	"context"
	"fmt"
	"os"

	"github.com/galley-coop/galley/cmd/galley/demo"
)

type demoCmd struct {
	Engine bool `help:"Deploy to the swarm of your docker engine instead of a private one."`
}

func (demoCmd) Help() string {
	return `Examples:
  galley demo             on a private engine, as root, on Linux
  galley demo --engine    on the swarm that docker itself would talk to

Two sample recipes are linted, published in a signed catalogue and deployed; an
upgrade follows, then one that fails and is put back, then a catalogue that
somebody tampered with. Everything is removed again.`
}

// Run plays the demo with this binary.
func (c *demoCmd) Run(ctx context.Context, s *streams) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding galley's own binary: %w", err)
	}
	return demo.Run(ctx, demo.Options{Self: self, UseEngine: c.Engine, Out: s.out, Err: s.err})
}
