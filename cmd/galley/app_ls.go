package main

import (
	"context"
	"slices"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appLsCmd struct {
	serverFlag   `embed:""`
	Local        bool `help:"Ask no server and no catalogue: list the env files."`
	textfileFlag `embed:""`
}

func (appLsCmd) Help() string {
	return `Examples:
  galley app ls
  galley app ls --server prod1
  galley app ls --local
  galley app ls --output json

Every app with the version in its env file and the one that runs, over all servers
at the same time; each has ten seconds to answer. Stacks that a client of recipes
deployed and that have no env file here are listed, too.

Exit codes: 0 at least one server answered: the apps of one that did not are
"unknown", with a warning. 3 none answered.`
}

// Run lists the env files and what their servers have.
func (c *appLsCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	if c.Local && (c.Textfile != "" || s.prometheus) {
		return fault.New(fault.Usage, "--local asks no server, so there is nothing to measure")
	}
	found := apps.apps(s, c.Server)
	var servers []*deployer.ServerState
	if !c.Local {
		var err error
		if servers, err = ask(ctx, s, apps, serversOf(found, c.Server)); err != nil {
			return err
		}
		defer deployer.CloseServers(servers)
	}
	states := statesOf(found, servers)
	if !c.Local {
		books := apps.shelf(s)
		defer books.close()
		books.upgrades(ctx, states)
		for _, server := range servers {
			states = append(states, server.Strays(found)...)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if servers == nil {
		servers = []*deployer.ServerState{}
	}
	doc := map[string]any{"apps": states, "servers": servers}
	err := s.answer(doc, statusMetrics(states, servers), c.Textfile, func() error { return c.print(s, apps, states) })
	if err != nil {
		return err
	}
	if err := noneUp(servers); err != nil {
		if s.json {
			return answered{fault.KindOf(err)}
		}
		return err
	}
	return nil
}

// upgrades looks them up for what runs; without a catalogue there are none, with a
// note for each reason.
func (h *shelf) upgrades(ctx context.Context, states []deployer.AppState) {
	var reasons []string
	for i := range states {
		state := &states[i]
		if state.Version == "" || state.App.Recipe == "" {
			continue
		}
		client, err := h.client(ctx, state.App)
		if err == nil {
			state.Upgrade, err = h.upgrade(ctx, client, state.Recipe, state.Version)
		}
		if err == nil {
			continue
		}
		if reason := oneLine(err.Error()); !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
			h.s.notef("galley: note: upgrades are not told: %s\n", reason)
		}
	}
}

func (c *appLsCmd) print(s *streams, apps *appCmd, states []deployer.AppState) error {
	if len(states) == 0 {
		s.notef("galley: note: there is no app in %s yet\n", apps.dir().Root)
		return nil
	}
	var rows [][]string
	var strays []string
	for i := range states {
		state := &states[i]
		row := []string{state.Domain, state.Server, state.Recipe, state.EnvVersion}
		if !c.Local {
			row = append(row, orDash(state.Version), orDash(state.Upgrade), tasksOf(state), stateWords(state))
		}
		if state.State == deployer.StateNoEnvFile {
			row[0], row[3] = "("+state.Stack+")", "-"
			strays = append(strays, state.Stack)
		}
		rows = append(rows, row)
	}
	header := []string{"DOMAIN", "SERVER", "RECIPE", "VERSION"}
	if !c.Local {
		header = append(header, "RUNS", "UPGRADE", "TASKS", "STATE")
	}
	if err := s.table(header, rows); err != nil {
		return err
	}
	if len(strays) > 0 {
		s.notef("galley: note: no env file here is for %s; with it under servers/<server>/, galley app adopt takes the stack over\n", oneLine(strings.Join(strays, ", ")))
	}
	return nil
}
