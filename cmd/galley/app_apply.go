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
	outcome, err := s.finish(ctx, engine, app, desired, plan, options, record)
	if err != nil {
		return err
	}
	kind, good := outcome.Kind()
	if !s.json {
		return s.printOutcome(app, desired, outcome)
	}
	if err := s.printLine(outcomeDocument{"outcome", outcome}); err != nil || good {
		return err
	}
	return answered{kind}
}

// finish deploys, tells the hooks how it ended, and records it when it ended well.
func (s *streams) finish(ctx context.Context, engine *deployer.Engine, app deployer.App, desired *deployer.Desired, plan *deployer.Plan, options deployer.DeployOptions, record func() error) (deployer.Outcome, error) {
	shown := func() {}
	if options.Report == nil {
		options.Report, shown = s.watchDeploy()
	}
	outcome, err := engine.Deploy(ctx, desired, plan, options)
	shown()
	if err != nil {
		return outcome, err
	}
	s.tell(ctx, engine, app, &outcome)
	if _, good := outcome.Kind(); good {
		return outcome, record()
	}
	return outcome, nil
}
