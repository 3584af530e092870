package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appUndeployCmd struct {
	oneApp `embed:""`
	Yes    bool `short:"y" help:"Undeploy, and purge, without asking."`
	Purge  bool `help:"Remove the volumes, the secrets and the history, too. The data is gone then."`
}

func (appUndeployCmd) Help() string {
	return `Examples:
  galley app undeploy stats.example.org --yes
  galley app undeploy stats.example.org --purge

Without --purge volumes, secrets and the history stay; they are named, as is the
env file, which always stays. With it galley asks for the domain to be typed,
removes the volumes of every node that servers/<server>/nodes leads to, and looks
again afterwards: what is still there is named, and the exit code is 6. It is 1
when volumes are left on nodes that could not be asked.`
}

// undeployed is the answer in JSON.
type undeployed struct {
	deployer.Left
	Purged  *deployer.Purged `json:"purged"` // null without --purge
	EnvFile string           `json:"env_file"`
}

// Run takes the stack off its server, and purges what it leaves when asked.
func (c *appUndeployCmd) Run(ctx context.Context, s *streams, grammar *cli, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	others := apps.otherStacks(app)
	if err := c.ask(ctx, s, grammar, engine, app, others); err != nil {
		return err
	}
	answer := undeployed{EnvFile: app.Path}
	show := func(deployer.Event) {}
	if !s.json {
		show = s.eventLines()
	}
	if c.Purge {
		answer.Left, answer.Purged, err = engine.UndeployAndPurge(ctx, app.Stack, others, show)
	} else {
		answer.Left, err = engine.Undeploy(ctx, app.Stack, show)
	}
	if err != nil {
		return err
	}
	if !c.Purge { // with it the history is gone
		s.tell(ctx, engine, app, nil)
	}
	if s.json {
		err = s.printJSON(answer)
	} else {
		s.printUndeployed(app, answer)
	}
	if err == nil {
		err = answer.verdict(s.json)
	}
	return err
}

func (c *appUndeployCmd) ask(ctx context.Context, s *streams, grammar *cli, engine *deployer.Engine, app deployer.App, others []string) error {
	switch {
	case c.Yes:
		return nil
	case c.Purge:
		goes, err := engine.Remains(ctx, app.Stack, others)
		if err != nil {
			return err
		}
		for _, line := range goes {
			if strings.HasPrefix(line, "volume ") || strings.HasPrefix(line, "secret ") {
				s.notef("to be removed for good: %s\n", oneLine(line))
			}
		}
		question := fmt.Sprintf("This removes %s from %s with its data, its secrets and its history.", app.Domain, app.Server)
		return s.confirmTyped(ctx, question, app.Domain, "--yes", grammar.NoInput)
	}
	return s.confirm(ctx, fmt.Sprintf("Undeploy %s from %s?", app.Domain, app.Server), "--yes", grammar.NoInput)
}

// otherStacks are the stacks of the other apps on the same server.
func (a *appCmd) otherStacks(app deployer.App) []string {
	var stacks []string
	all, _ := a.dir().Apps() // one that cannot be read has no secrets that are known
	for _, other := range all {
		if other.Server == app.Server && other.Stack != app.Stack {
			stacks = append(stacks, other.Stack)
		}
	}
	return stacks
}

func (s *streams) printUndeployed(app deployer.App, u undeployed) {
	s.printf("%s is undeployed: %s, %s, %s removed\n", app.Domain,
		count(len(u.Services), "service"), count(len(u.Configs), "config"), count(len(u.Networks), "network"))
	if p := u.Purged; p != nil {
		for _, name := range p.Volumes {
			s.printf("removed: volume %s\n", oneLine(name))
		}
		for _, v := range p.Elsewhere {
			s.printf("removed: volume %s on node %s\n", oneLine(v.Volume), oneLine(v.Node))
		}
		for _, name := range p.Secrets {
			s.printf("removed: secret %s\n", oneLine(name))
		}
		s.printf("removed: %s of galley\n", count(p.Records, "record"))
		for _, name := range p.Remains {
			s.printf("left: %s\n", oneLine(name))
		}
	} else {
		for _, name := range u.Volumes {
			s.printf("left: volume %s\n", oneLine(name))
		}
		for _, name := range u.Secrets {
			s.printf("left: secret %s\n", oneLine(name))
		}
	}
	for _, v := range u.Elsewhere {
		s.printf("left: volume %s on node %s\n", oneLine(v.Volume), oneLine(v.Node))
	}
	s.printf("left: env file %s\n", u.EnvFile)
	if p := u.Purged; p != nil && len(p.Remains) == 0 {
		s.printf("looked again: the swarm has nothing of %s\n", app.Domain)
		if len(p.NotAsked) > 0 {
			s.notef("galley: note: not asked for volumes: node %s\n", oneLine(strings.Join(p.NotAsked, ", ")))
		}
	}
}

// verdict is the exit code of a purge.
func (u undeployed) verdict(json bool) error {
	switch p := u.Purged; {
	case p == nil:
		return nil
	case len(p.Remains) > 0 && json:
		return answered{fault.Left}
	case len(p.Remains) > 0:
		return fault.Hint(fault.New(fault.Left, "purged, and still there: %s", strings.Join(p.Remains, ", ")), "purge it again, or see who makes them")
	case len(u.Elsewhere) > 0 && json:
		return answered{fault.No}
	case len(u.Elsewhere) > 0:
		err := fault.New(fault.No, "%s on nodes that could not be asked", count(len(u.Elsewhere), "volume"))
		return fault.Hint(err, "name the nodes in servers/<server>/nodes and purge again, or remove them there: docker volume rm %s", u.Elsewhere[0].Volume)
	}
	return nil
}

// confirmTyped wants a word typed before something that cannot be undone.
func (s *streams) confirmTyped(ctx context.Context, question, word, flag string, noInput bool) error {
	if !s.ask || noInput {
		err := fault.New(fault.Usage, "this needs %q to be typed, and there is no terminal to ask on", word)
		return fault.Hint(err, "look at what it would do, then give %s", flag)
	}
	fmt.Fprintf(s.err, "%s\nType %s to go on: ", question, word)
	answer, err := unlessCancelled(ctx, func() (string, error) { return bufio.NewReader(s.in).ReadString('\n') })
	if err != nil && answer == "" {
		fmt.Fprintln(s.err)
		return fault.New(fault.Interrupted, "no answer; nothing was changed")
	}
	if strings.TrimSpace(answer) != word {
		return fault.New(fault.Interrupted, "that is not %q; nothing was changed", word)
	}
	return nil
}
