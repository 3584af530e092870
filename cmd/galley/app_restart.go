package main

import (
	"context"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// watchFlags bound the watch of what a command changes.
type watchFlags struct {
	Timeout     time.Duration `help:"How long services may take to converge, pulling aside (default: the recipe's, else 5m)." placeholder:"5m"`
	PullTimeout time.Duration `help:"How long pulling images may take (default 10m)." placeholder:"10m"`
	OnFailure   string        `enum:"put-back,leave" default:"put-back" help:"What becomes of a stack whose deploy failed: put-back restores what stood before, and removes a first deploy; leave keeps what was written, to be looked at."`
}

// Validate refuses limits that are none; kong calls it.
func (f watchFlags) Validate() error {
	const text = "%s is %s; expected a time like 5m"
	switch {
	case f.Timeout < 0:
		return fault.New(fault.Usage, text, "--timeout", f.Timeout)
	case f.PullTimeout < 0:
		return fault.New(fault.Usage, text, "--pull-timeout", f.PullTimeout)
	}
	return nil
}

// options are a deploy's, for an operation on what stands.
func (f watchFlags) options(signals *signals, operation deployer.Operation) deployer.DeployOptions {
	return deployer.DeployOptions{
		Limits:      deployer.Limits{Converge: f.Timeout, Pull: f.PullTimeout},
		Credentials: credentials,
		Hurry:       signals.hurry, Abort: signals.abort,
		Operation: operation, OnFailure: deployer.OnFailure(f.OnFailure),
	}
}

type appRestartCmd struct {
	oneApp     `embed:""`
	Services   []string `arg:"" optional:"" name:"service" help:"Only these services (default: all)."`
	Yes        bool     `short:"y" help:"Restart without asking."`
	watchFlags `embed:""`
}

func (appRestartCmd) Help() string {
	return `Examples:
  galley app restart stats.example.org
  galley app restart stats.example.org app worker --yes

Tasks are replaced under each service's own update policy, watched, and put back
when they do not run. No catalogue is needed: what stands is started anew.
The exit codes are those of galley app deploy.`
}

// Run restarts what stands.
func (c *appRestartCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	standing, err := engine.Standing(ctx, app.Stack)
	if err != nil {
		return err
	}
	if err := standing.RestartServices(c.Services); err != nil {
		return err
	}
	return s.changeStanding(ctx, grammar, engine, app, standing, "Restart these?", c.Yes, c.options(signals, deployer.OpRestart))
}

// changeStanding plans, asks and deploys a change of what stands. The env file
// needs no word of it: the version stays.
func (s *streams) changeStanding(ctx context.Context, grammar *cli, engine *deployer.Engine, app deployer.App, standing *deployer.Desired, question string, yes bool, options deployer.DeployOptions) error {
	current, err := engine.Current(ctx, app.Stack, standing.Stack)
	if err != nil {
		return err
	}
	plan, err := deployer.NewPlan(standing, current)
	if err != nil {
		return err
	}
	if err := s.agree(ctx, plan, question, yes || plan.Empty(), grammar.NoInput); err != nil {
		return err
	}
	return s.carryOut(ctx, engine, app, standing, plan, options, func() error { return nil })
}
