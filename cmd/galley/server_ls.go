package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer/server"
	"github.com/galley-coop/galley/internal/fault"
)

type serverLsCmd struct {
	Timeout time.Duration `default:"10s" help:"How long a server may take to answer." placeholder:"DURATION"`
}

func (serverLsCmd) Help() string {
	return `Examples:
  galley server ls
  galley server ls --timeout 3s
  galley server ls --output json

Every server that has a folder, and the default one (what docker itself would talk to)
where it answers, asked at the same time. DISK is free where the engine keeps its data,
APPS how many env files the folder has.

Exit codes: 0 at least one server answered, or there is none; one that did not is told
with the reason. 3 none answered; 4 because of the host key of the first.`
}

// Run lists the servers.
func (c *serverLsCmd) Run(ctx context.Context, s *streams, servers *serverCmd) error {
	states, unused, err := server.List(ctx, servers.dir(), c.Timeout)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if states == nil && err != nil {
		return err
	}
	if err != nil {
		s.notef("galley: warning: %s\n", oneLine(err.Error()))
	}
	if err := c.print(s, states, unused, servers.dir().Root); err != nil {
		return err
	}
	return noServerUp(s, states)
}

// noServerUp is the first server's error when none answered. A JSON answer has it.
func noServerUp(s *streams, states []*server.State) error {
	for _, state := range states {
		if state.Up {
			return nil
		}
	}
	if len(states) == 0 {
		return nil
	}
	err := states[0].Err()
	if s.json {
		return answered{fault.KindOf(err)}
	}
	return err
}

func (c *serverLsCmd) print(s *streams, states []*server.State, unused []string, root string) error {
	if s.json {
		if unused == nil {
			unused = []string{}
		}
		if states == nil {
			states = []*server.State{}
		}
		return s.printJSON(map[string]any{"servers": states, "contexts_without_folder": unused})
	}
	defer c.notes(s, states, unused)
	if len(states) == 0 {
		s.notef("galley: note: there is no server in %s yet: galley server add makes one known\n", root)
		return nil
	}
	var rows [][]string
	for _, state := range states {
		rows = append(rows, serverRow(state))
	}
	return s.table([]string{"SERVER", "ADDRESS", "ENGINE", "API", "SWARM", "NODES", "DISK", "APPS", "NOTE"}, rows)
}

func serverRow(state *server.State) []string {
	note := strings.Join(state.Notes, "; ")
	if !state.Up {
		note = "does not answer"
	}
	nodes := "-"
	if state.Nodes > 0 {
		nodes = fmt.Sprintf("%d/%d", state.Ready, state.Nodes)
	}
	disk := "-"
	if state.Disk != nil {
		disk = server.Size(state.Disk.Free)
	}
	return []string{
		state.Server, orDash(state.Address), orDash(state.Engine), orDash(state.API), cmp.Or(state.Swarm, "-"),
		nodes, disk, strconv.Itoa(state.Apps), note,
	}
}

// notes tell why servers do not answer, and which contexts are none.
func (c *serverLsCmd) notes(s *streams, states []*server.State, unused []string) {
	up := 0
	for _, state := range states {
		if state.Up {
			up++
		}
	}
	for _, state := range states {
		if !state.Up && up > 0 {
			s.notef("galley: warning: server %s: %s\n", state.Server, oneLine(state.Error))
		}
	}
	if len(unused) > 0 {
		s.notef("galley: note: docker contexts without a folder here: %s; galley server add NAME takes one up\n", oneLine(strings.Join(unused, ", ")))
	}
}
