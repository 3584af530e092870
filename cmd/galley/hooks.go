package main

import (
	"context"

	"github.com/galley-coop/galley/deployer"
)

// hookFlags are told of verdicts.
type hookFlags struct {
	Hook    string `env:"GALLEY_HOOK" help:"After each verdict run this with sh -c: JSON on standard input, GALLEY_DOMAIN, GALLEY_VERDICT, … in its environment." placeholder:"COMMAND"`
	Webhook string `env:"GALLEY_WEBHOOK" help:"After each verdict POST the same JSON there." placeholder:"URL"`
}

func (f hookFlags) hooks() deployer.Hooks {
	return deployer.Hooks{Command: f.Hook, Webhook: f.Webhook}
}

// tell tells the operator's hooks of what was just recorded. Nothing that happens
// to them is more than a warning. Ctrl-C does not end it: there is a verdict.
func (s *streams) tell(ctx context.Context, engine *deployer.Engine, app deployer.App, outcome *deployer.Outcome) {
	if !s.hooks.Any() {
		return
	}
	ctx = context.WithoutCancel(ctx)
	record, ok, err := engine.Last(ctx, app.Stack)
	if err != nil || !ok {
		s.notef("galley: warning: the hooks are not told: the history cannot be read\n")
		return
	}
	notice := deployer.Notice{Domain: app.Domain, Server: app.Server, Stack: app.Stack, Record: record, Outcome: outcome}
	for _, failed := range s.hooks.Tell(ctx, notice) {
		s.notef("galley: warning: %s\n", oneLine(failed))
	}
}
