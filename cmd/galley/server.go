package main

import (
	"cmp"
	"slices"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/server"
	"github.com/galley-coop/galley/internal/fault"
)

type serverCmd struct {
	Dir string `env:"GALLEY_DIR" default:"~/.galley" help:"Where the servers' folders are: servers/<server>/." placeholder:"DIR"`

	serverKnowCmds    `embed:"" group:"Know machines:"`
	serverMachineCmds `embed:"" group:"Set up machines:"`
}

// serverKnowCmds are about what this machine knows of others.
type serverKnowCmds struct {
	Add   serverAddCmd   `cmd:"" help:"Make a server known: a docker context, and a folder for its apps."`
	Ls    serverLsCmd    `cmd:"" help:"List the servers, and how they are."`
	Check serverCheckCmd `cmd:"" help:"Find out what is wrong with servers. Exits with 1 when something is."`
	Rm    serverRmCmd    `cmd:"" help:"Forget a server; what runs there goes on."`
}

// dir is where the operator's files are. An empty GALLEY_DIR is none.
func (c *serverCmd) dir() deployer.Dir { return deployer.Dir{Root: home(cmp.Or(c.Dir, "~/.galley"))} }

// known are the servers that were named, or all that have a folder.
func (c *serverCmd) known(named []string) ([]string, error) {
	names, err := server.Names(c.dir())
	if err != nil || len(named) == 0 {
		return names, err
	}
	for _, name := range named {
		if name == deployer.DefaultServer || slices.Contains(names, name) {
			continue
		}
		err := fault.New(fault.Usage, "there is no server %q", name)
		return nil, fault.Hint(err, "galley server ls lists them, galley server add makes one known")
	}
	slices.Sort(named)
	return slices.Compact(named), nil
}

// serverNotes prints what a command has to say beside its answer.
func serverNotes(s *streams, notes []string) {
	for _, note := range notes {
		s.notef("galley: note: %s\n", oneLine(note))
	}
}
