package main

import (
	"context"
	"fmt"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type appStatusCmd struct {
	oneApp `embed:""`
}

func (appStatusCmd) Help() string {
	return "Examples:\n  galley app status stats.example.org\n  galley app status stats.example.org --output json\n\nExits with 1 when a service does not run all its tasks, or a deploy was left unfinished."
}

// Run shows the stack's services. It needs no catalogue.
func (c *appStatusCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	engine, err := deployer.Connect(ctx, app.Server)
	if err != nil {
		return err
	}
	defer engine.Close()
	status, err := engine.Status(ctx, app.Stack)
	if err != nil {
		return err
	}
	if s.json {
		err = s.printJSON(status)
	} else {
		err = s.printStatus(app, status)
	}
	if err == nil && !status.Healthy() {
		return answered{fault.No}
	}
	return err
}

func (s *streams) printStatus(app deployer.App, status *deployer.Status) error {
	s.printf("%s on %s: %s %s\n", app.Domain, app.Server, status.Recipe, status.Version)
	if last := status.Last; last != nil {
		s.printf("last deploy: %s by %s, %s\n", last.When.Local().Format("2006-01-02 15:04"), last.By, last.Verdict)
	}
	if status.Unfinished {
		s.printf("a deploy is running, or was left unfinished: the next deploy starts from its journal\n")
	}
	var rows [][]string
	for _, service := range status.Services {
		rows = append(rows, []string{service.Name, fmt.Sprintf("%d/%d", service.Running, service.Wanted), service.Update, deployer.ShortImage(service.Image), service.Error})
	}
	return s.table([]string{"SERVICE", "TASKS", "UPDATE", "IMAGE", "ERROR"}, rows)
}

type appVerifyCmd struct {
	oneApp `embed:""`
}

func (appVerifyCmd) Help() string {
	return `Examples:
  galley app verify stats.example.org

Compares the catalogue's entry, the specs that the swarm stores, and the images
of the running containers. Exits with 1 when one of them differs.`
}

// Run observes the stack against its entry.
func (c *appVerifyCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	engine, err := deployer.Connect(ctx, app.Server)
	if err != nil {
		return err
	}
	defer engine.Close()
	status, err := engine.Status(ctx, app.Stack)
	if err != nil {
		return err
	}
	w, err := apps.want(ctx, s, app, status.Version)
	if err != nil {
		return err
	}
	observed, err := engine.Observe(ctx, w.desired)
	if err != nil {
		return err
	}
	if w.withdrawn != nil {
		observed.Problems = append(observed.Problems, w.withdrawnText())
	}
	if s.json {
		err = s.printJSON(observed)
	} else {
		s.printObserved(w, observed)
	}
	if err == nil && len(observed.Problems) > 0 {
		return answered{fault.No}
	}
	return err
}

func (s *streams) printObserved(w *wanted, o deployer.Observed) {
	for _, problem := range o.Problems {
		s.printf("differs: %s\n", oneLine(problem))
	}
	for _, dropped := range o.Dropped {
		s.printf("not stored by the engine: %s\n", oneLine(dropped))
	}
	if len(o.Problems) == 0 {
		s.printf("%s: what runs is %s %s as published\n", w.app.Domain, w.app.Recipe, w.entry.Version)
	}
	s.printf("%d containers compared, %d on other nodes requested and not observed\n", o.Containers, o.Requested)
}

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
