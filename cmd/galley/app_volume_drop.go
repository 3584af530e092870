package main

import (
	"context"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type volumeDropCmd struct {
	oneApp `embed:""`
	Volume []string `arg:"" optional:"" help:"The copies to remove (default: all of the app's)."`
	Yes    bool     `short:"y" help:"Go on without asking."`
}

// Help is printed under the command's usage.
func (volumeDropCmd) Help() string {
	return `Examples:
  galley app volume drop-kept cloud.example.org
  galley app volume drop-kept cloud.example.org cloud_example_org_data_before_20261130T015959Z

A restore copies what the volumes hold before it writes them. Those copies go here, and
nothing else does. The copies of a restore that did not end stay: they are the way back.`
}

// Run removes copies.
func (c *volumeDropCmd) Run(ctx context.Context, s *streams, grammar *cli, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	state, err := engine.Restoring(ctx, app.Stack)
	if err != nil {
		return err
	}
	if state != nil {
		err := fault.New(fault.Unavailable, "a restore of run %s did not end: the copies are the way back", state.Run)
		return fault.Hint(err, "galley app restore does it again, and with --undo goes back")
	}
	kept, err := c.chosen(ctx, engine, app)
	if err != nil {
		return err
	}
	if !s.json {
		for _, k := range kept {
			s.printf("copy of %s: %s on node %s, from %s\n", oneLine(k.Volume), oneLine(k.Name), oneLine(k.Node), k.At.Local().Format("2006-01-02 15:04"))
		}
	}
	if len(kept) > 0 && !c.Yes {
		if err := s.confirm(ctx, "Remove what is listed?", "--yes", grammar.NoInput); err != nil {
			return err
		}
	}
	for _, k := range kept {
		if err := engine.RemoveVolume(ctx, k.NodeID, k.Name); err != nil {
			return err
		}
	}
	if s.json {
		return s.printJSON(map[string]any{"removed": kept})
	}
	s.printf("%s: %d removed\n", app.Domain, len(kept))
	return nil
}

// chosen are the copies that were named, or all.
func (c *volumeDropCmd) chosen(ctx context.Context, engine *deployer.Engine, app deployer.App) ([]deployer.KeptVolume, error) {
	all, err := engine.KeptVolumes(ctx, app.Stack)
	if err != nil || len(c.Volume) == 0 {
		return all, err
	}
	chosen := []deployer.KeptVolume{}
	for _, name := range c.Volume {
		before := len(chosen)
		for _, k := range all {
			if k.Name == name {
				chosen = append(chosen, k)
			}
		}
		if len(chosen) == before {
			err := fault.New(fault.Usage, "%s has no copy %q", app.Domain, name)
			return nil, fault.Hint(err, "galley app volume ls lists them")
		}
	}
	return chosen, nil
}
