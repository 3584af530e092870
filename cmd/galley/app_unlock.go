package main

import (
	"context"
	"fmt"
	"time"

	"github.com/galley-coop/galley/deployer"
)

type appUnlockCmd struct {
	oneApp `embed:""`
	Force  bool `help:"Take the lock from a holder that is alive, too: its deploy stops where it is."`
	Yes    bool `short:"y" help:"Unlock without asking."`
}

func (appUnlockCmd) Help() string {
	return `Examples:
  galley app unlock stats.example.org
  galley app unlock stats.example.org --yes --output json

Shows who holds the stack's lock and whether they are alive, and takes it away. A
holder that is alive keeps it without --force (exit code 3). It is seldom needed:
a deploy takes over the lock of a holder that is gone by itself. Nothing of the
stack is changed; the history keeps who unlocked it.`
}

// unlocked is the answer of app unlock.
type unlocked struct {
	Domain string `json:"domain"`
	*deployer.Locked
	Unlocked bool   `json:"unlocked"`
	Next     string `json:"next"` // what the next deploy will do
}

// Run shows the lock, asks, and removes it. It needs no catalogue.
func (c *appUnlockCmd) Run(ctx context.Context, s *streams, grammar *cli, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	locked, err := engine.Locked(ctx, app.Stack)
	if err != nil {
		return err
	}
	answer := unlocked{Domain: app.Domain, Locked: locked, Next: nextDeploy(locked)}
	if !s.json {
		s.printLocked(app, answer)
	}
	if locked.Lock != nil {
		if err := c.unlock(ctx, s, grammar, engine, locked); err != nil {
			return err
		}
		answer.Unlocked = true
	}
	if s.json {
		return s.printJSON(answer)
	}
	if answer.Unlocked {
		s.printf("%s is unlocked\n", app.Domain)
	}
	return nil
}

func (c *appUnlockCmd) unlock(ctx context.Context, s *streams, grammar *cli, engine *deployer.Engine, locked *deployer.Locked) error {
	if locked.Lock.Alive && !c.Force {
		return engine.Unlock(ctx, locked, false) // says why not
	}
	if !c.Yes {
		if err := s.confirm(ctx, "Take the lock away?", "--yes", grammar.NoInput); err != nil {
			return err
		}
	}
	return engine.Unlock(ctx, locked, c.Force)
}

func (s *streams) printLocked(app deployer.App, a unlocked) {
	lock := a.Lock
	if lock == nil {
		s.printf("%s on %s is not locked; %s\n", app.Domain, app.Server, oneLine(a.Next))
		return
	}
	state := "gone or out of reach"
	if lock.Alive {
		state = "alive"
	}
	s.printf("%s on %s is locked by %s (process %d) since %s, for %s\n", app.Domain, app.Server,
		oneLine(lock.Owner), lock.PID, lock.Since.Local().Format(time.DateTime), oneLine(lock.Reason))
	s.printf("the holder is %s; it showed itself %s ago\n", state, lock.Silent.Round(time.Second))
	s.printf("%s\n", oneLine(a.Next))
}

// nextDeploy tells what a deploy would find.
func nextDeploy(l *deployer.Locked) string {
	j := l.Journal
	switch {
	case j == nil:
		return "no deploy was left unfinished"
	case j.From == "":
		return fmt.Sprintf("a first deploy of %s to %s by %s did not end: the next one starts from its journal, and removes what it made when it fails, too", j.Recipe, j.To, j.By)
	}
	return fmt.Sprintf("a deploy of %s to %s by %s did not end: the next one starts from its journal, and puts back %s when it fails", j.Recipe, j.To, j.By, j.From)
}
