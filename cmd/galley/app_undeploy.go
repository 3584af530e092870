package main

import (
	"context"
	"fmt"

	"github.com/galley-coop/galley/deployer"
)

type appUndeployCmd struct {
	oneApp `embed:""`
	Yes    bool `short:"y" help:"Undeploy without asking."`
}

func (appUndeployCmd) Help() string {
	return "Examples:\n  galley app undeploy stats.example.org --yes\n\nVolumes, secrets and the env file stay, and are named."
}

// Run takes the stack off its server and names what stays.
func (c *appUndeployCmd) Run(ctx context.Context, s *streams, grammar *cli, apps *appCmd) error {
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	engine, err := deployer.Connect(ctx, app.Server)
	if err != nil {
		return err
	}
	defer engine.Close()
	if !c.Yes {
		if err := s.confirm(ctx, fmt.Sprintf("Undeploy %s from %s?", app.Domain, app.Server), "--yes", grammar.NoInput); err != nil {
			return err
		}
	}
	left, err := engine.Undeploy(ctx, app.Stack, func(e deployer.Event) {
		if !s.json {
			s.eventLine(e)
		}
	})
	if err != nil {
		return err
	}
	s.tell(ctx, engine, app, nil)
	if s.json {
		return s.printJSON(left)
	}
	s.printf("%s is undeployed: %s, %s, %s removed\n", app.Domain,
		count(len(left.Services), "service"), count(len(left.Configs), "config"), count(len(left.Networks), "network"))
	for _, name := range left.Volumes {
		s.printf("left: volume %s\n", name)
	}
	for _, name := range left.Secrets {
		s.printf("left: secret %s\n", name)
	}
	s.printf("left: env file %s\n", app.Path)
	return nil
}
