package main

import (
	"context"
	"fmt"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

type appCheckCmd struct {
	oneApp  `embed:""`
	Version string `arg:"" optional:"" help:"The version to check against (default: the one in the env file, else the newest)."`
	Local   bool   `help:"Do not ask the server whether the secrets are there."`
}

func (appCheckCmd) Help() string {
	return `Examples:
  galley app check stats.example.org
  galley app check stats.example.org 1.3.0+5.2.0 --local

Compares the env file with what the version's recipe asks for, and makes the stack
that a deploy would. Exits with 1 when something keeps the app from being deployed
as it is meant; a variable that the recipe does not know is told and no more.`
}

// Run checks one app's env file.
func (c *appCheckCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	read, err := apps.read(ctx, s, app, c.Version)
	if err != nil {
		return err
	}
	findings, desired := deployer.CheckEnv(ctx, app, read.recipe, read.entry)
	if !c.Local && desired != nil {
		missing, err := missingSecrets(ctx, s, apps, app, desired)
		if err != nil {
			return err
		}
		findings = append(findings, missing...)
	}
	if s.json {
		err = s.printJSON(map[string]any{"domain": app.Domain, "version": read.entry.Version, "findings": findings})
	} else {
		s.printEnvFindings(findings)
		if len(findings) == 0 {
			s.printf("%s: the env file is right for %s %s\n", app.Domain, app.Recipe, read.entry.Version)
		}
	}
	if err == nil && deployer.EnvFails(findings) {
		return answered{fault.No}
	}
	return err
}

func (s *streams) printEnvFindings(findings []deployer.EnvFinding) {
	for _, f := range findings {
		s.printf("%s: %s\n", f.Severity, oneLine(f.String()))
	}
}

// missingSecrets are those that a deploy would miss on the swarm.
func missingSecrets(ctx context.Context, s *streams, apps *appCmd, app deployer.App, desired *deployer.Desired) ([]deployer.EnvFinding, error) {
	engine, err := apps.connect(ctx, s, app.Server)
	if err != nil {
		return nil, fault.Hint(err, "--local checks the env file alone")
	}
	defer engine.Close()
	states, err := engine.Secrets(ctx, desired)
	if err != nil {
		return nil, err
	}
	var missing []deployer.EnvFinding
	for _, state := range states {
		if !state.Exists {
			missing = append(missing, deployer.EnvFinding{
				Severity: deployer.EnvError, Message: fmt.Sprintf("the swarm has no secret %s", state.Name), File: app.Path,
			})
		}
	}
	return missing, nil
}

// readEntry is a version of an app's recipe, as the catalogue has it.
type readEntry struct {
	client    *catalogue.Client
	published *catalogue.Recipe
	entry     *catalogue.Entry
	recipe    *recipe.Recipe
}

// read is the version that is named, else that of the env file, else the newest. No
// stack is made of it, so that it can be had when the env file is wrong.
func (a *appCmd) read(ctx context.Context, s *streams, app deployer.App, version string) (*readEntry, error) {
	client, published, entry, err := a.entry(ctx, s, app, version)
	if err != nil {
		return nil, err
	}
	loaded, err := loadEntry(ctx, client, entry)
	if err != nil {
		return nil, err
	}
	return &readEntry{client, published, entry, loaded}, nil
}
