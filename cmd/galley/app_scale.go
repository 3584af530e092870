package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/galley-coop/galley/deployer"
)

type appScaleCmd struct {
	oneApp     `embed:""`
	Scales     []string `arg:"" name:"service=n" help:"How many replicas a service is to have: app=3; app=recipe for as many as the recipe says."`
	Yes        bool     `short:"y" help:"Scale without asking."`
	watchFlags `embed:""`
}

func (appScaleCmd) Help() string {
	return `Examples:
  galley app scale stats.example.org worker=3
  galley app scale stats.example.org app=2 worker=0 --yes
  galley app scale stats.example.org worker=recipe

The number stays through later deploys, whose plans say so, until the service is
scaled again or given back with SERVICE=recipe. Where the catalogue cannot be read,
a service that is given back keeps its number until the next deploy.
The exit codes are those of galley app deploy.`
}

// Run scales what stands.
func (c *appScaleCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	var scales []deployer.ScaleTo
	for _, text := range c.Scales {
		scale, err := deployer.ParseScale(text)
		if err != nil {
			return err
		}
		scales = append(scales, scale)
	}
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	standing, err := engine.Standing(ctx, app.Stack)
	if err != nil {
		return err
	}
	var recipe *deployer.Desired
	if slices.ContainsFunc(scales, func(t deployer.ScaleTo) bool { return t.Recipe }) {
		recipe = apps.published(ctx, s, app, standing.Version)
	}
	for _, scale := range scales {
		if scale.Recipe {
			err = unscale(standing, scale.Service, recipe)
		} else {
			err = standing.Scale(scale.Service, scale.Replicas)
		}
		if err != nil {
			return err
		}
	}
	return s.changeStanding(ctx, grammar, engine, app, standing, "Scale so?", c.Yes, c.options(signals, deployer.OpScale))
}

// unscale gives a number back; that it is not known yet stands in the plan.
func unscale(standing *deployer.Desired, service string, recipe *deployer.Desired) error {
	known, err := standing.Unscale(service, recipe)
	if err == nil && !known {
		standing.Warnings = append(standing.Warnings, fmt.Sprintf("service %s keeps its number until the next deploy: the recipe's is not known here", service))
	}
	return err
}

// published is what the catalogue says of the version that runs, nil with a
// warning when it cannot be had.
func (a *appCmd) published(ctx context.Context, s *streams, app deployer.App, version string) *deployer.Desired {
	w, err := a.want(ctx, s, app, version)
	if err != nil {
		s.notef("galley: warning: %s\n", oneLine(err.Error()))
		return nil
	}
	return w.desired
}
