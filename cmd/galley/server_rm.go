package main

import (
	"strings"

	"github.com/galley-coop/galley/deployer/server"
)

type serverRmCmd struct {
	Name  string `arg:"" help:"The server."`
	Force bool   `help:"Also when env files are in its folder, or docker's own tools use it; the files stay."`
}

func (serverRmCmd) Help() string {
	return `Examples:
  galley server rm prod1
  galley server rm prod1 --force

Removes the docker context, the nodes file, and the folder when nothing else is in it.
The machine is not spoken to: what runs there goes on. Env files are never removed.

Exit codes: 0 forgotten. 2 there is no such server, or its apps' env files are there.`
}

// Run forgets the server.
func (c *serverRmCmd) Run(s *streams, servers *serverCmd) error {
	removed, err := server.Remove(servers.dir(), c.Name, c.Force)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(removed)
	}
	var gone []string
	for _, part := range []struct {
		name string
		gone bool
	}{{"its docker context", removed.Context}, {"its nodes file", removed.NodesFile}, {"its folder", removed.Folder}} {
		if part.gone {
			gone = append(gone, part.name)
		}
	}
	if len(gone) == 0 {
		gone = []string{"nothing"}
	}
	s.printf("%s: %s removed; what runs there goes on\n", removed.Server, strings.Join(gone, ", "))
	if len(removed.Stays) > 0 {
		s.notef("galley: note: these stay in %s: %s\n", server.Folder(servers.dir(), c.Name), oneLine(strings.Join(removed.Stays, ", ")))
	}
	if len(removed.Contexts) > 0 {
		s.notef("galley: note: the docker contexts of its other nodes stay: %s\n", oneLine(strings.Join(removed.Contexts, ", ")))
	}
	return nil
}
