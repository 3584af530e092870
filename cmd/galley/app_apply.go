package main

import (
	"context"

	"github.com/galley-coop/galley/deployer"
)

// agree shows a plan and asks about it; yes says that nobody needs to be asked.
func (s *streams) agree(ctx context.Context, plan *deployer.Plan, question string, yes, noInput bool) error {
	if !s.json {
		if err := plan.Render(s.out, deployer.RenderOptions{Color: s.colour}); err != nil {
			return err
		}
	}
	if yes {
		return nil
	}
	return s.confirm(ctx, question, "--yes", noInput)
}

// carryOut deploys what was agreed to and prints how it ended. record is called
// when it ended well, before that is said.
func (s *streams) carryOut(ctx context.Context, engine *deployer.Engine, app deployer.App, desired *deployer.Desired, plan *deployer.Plan, options deployer.DeployOptions, record func() error) error {
	report, shown := s.watchDeploy()
	options.Report = report
	outcome, err := engine.Deploy(ctx, desired, plan, options)
	shown()
	if err != nil {
		return err
	}
	kind, good := outcome.Kind()
	if good {
		if err := record(); err != nil {
			return err
		}
	}
	if !s.json {
		return s.printOutcome(app, desired, outcome)
	}
	if err := s.printLine(outcomeDocument{"outcome", outcome}); err != nil || good {
		return err
	}
	return answered{kind}
}
