package main

import (
	"context"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer/server"
)

type serverAddCmd struct {
	Name    string        `arg:"" help:"The server's name: it becomes a docker context and a folder."`
	Address string        `arg:"" optional:"" help:"Where its engine is: ssh://user@host, unix:///socket or tcp://host:port. Without one, the docker context of that name is taken up."`
	Node    []string      `sep:"none" help:"Another node of its swarm (repeatable); a name becomes a docker context of its own." placeholder:"[NAME=]ADDRESS"`
	HostKey []string      `sep:"none" help:"Trust this ssh host key, if the machine shows it (repeatable)." placeholder:"SHA256:…"`
	NoCheck bool          `help:"Connect to nothing: write what was given."`
	Replace bool          `help:"Give a name that is known another address."`
	Timeout time.Duration `default:"1m" help:"How long an engine may take to answer." placeholder:"DURATION"`
}

func (serverAddCmd) Help() string {
	return `Examples:
  galley server add prod1 ssh://ops@prod1.example.org
  galley server add prod1 ssh://ops@prod1.example.org --host-key SHA256:Fqm0w2mXgWhoBbrUBMFtUSsBNS4NfoUiVzOuFMCfPJE
  galley server add prod1 ssh://ops@prod1.example.org --node node2=ssh://ops@node2.example.org
  galley server add here unix:///var/run/docker.sock
  galley server add prod1

The server becomes a docker context, which docker's own tools see too, and a folder
servers/<name> for its apps' env files. It is connected to before anything is written:
ssh must let you in without a question. A host key that ssh does not know is refused
and told; compare it with what the machine itself says, then give --host-key. One that
is another than ssh knows is always refused. Adding the same again changes nothing.

Exit codes: 0 known. 2 the name, the address or another server's name is in the way.
3 the machine or its engine cannot be reached. 4 its host key is not known, or changed.`
}

// Run makes the server known.
func (c *serverAddCmd) Run(ctx context.Context, s *streams, servers *serverCmd) error {
	o := server.AddOptions{
		Name: c.Name, Address: strings.TrimSuffix(c.Address, "/"), HostKeys: c.HostKey,
		NoCheck: c.NoCheck, Replace: c.Replace, Timeout: c.Timeout,
	}
	for _, given := range c.Node {
		node, err := server.ParseNode(given)
		if err != nil {
			return err
		}
		o.Nodes = append(o.Nodes, node)
	}
	added, err := server.Add(ctx, servers.dir(), o)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(added)
	}
	c.print(s, added)
	return nil
}

func (c *serverAddCmd) print(s *streams, a *server.Added) {
	s.printf("%s: %s\n", a.Server, a.Address)
	if a.Engine != "" {
		s.printf("  engine   %s, API %s, swarm: %s\n", oneLine(a.Engine), oneLine(a.API), oneLine(a.Swarm))
	}
	if len(a.HostKeys) > 0 {
		s.printf("  trusted  %s\n", strings.Join(a.HostKeys, ", "))
	}
	if len(a.Contexts) > 0 {
		s.printf("  context  %s\n", strings.Join(a.Contexts, ", "))
	}
	if len(a.Nodes) > 0 {
		s.printf("  nodes    %s\n", strings.Join(a.Nodes, ", "))
	}
	s.printf("  folder   %s\n", a.Folder)
	serverNotes(s, a.Notes)
}
