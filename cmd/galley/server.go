package main

import (
	"cmp"

	"github.com/galley-coop/galley/deployer"
)

type serverCmd struct {
	Dir string `env:"GALLEY_DIR" default:"~/.galley" help:"Where the servers' folders are: servers/<server>/." placeholder:"DIR"`

	serverMachineCmds `embed:"" group:"Set up machines:"`
}

// dir is where the operator's files are. An empty GALLEY_DIR is none.
func (c *serverCmd) dir() deployer.Dir { return deployer.Dir{Root: home(cmp.Or(c.Dir, "~/.galley"))} }
