package main

import (
	"context"
	"fmt"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

type appEnvCmd struct {
	Diff envDiffCmd `cmd:"" help:"Compare an app's env file with a version's .env.sample."`
}

type envDiffCmd struct {
	oneApp  `embed:""`
	Version string `arg:"" optional:"" help:"The version to compare with (default: the newest that is not withdrawn)."`
}

func (envDiffCmd) Help() string {
	return `Examples:
  galley app env diff stats.example.org
  galley app env diff stats.example.org 1.3.0+5.2.0 --output json

  missing   the sample sets it, and the env file does not speak of it
  optional  the sample has it commented out, and the env file does not speak of it
  changed   its default in the sample is not what it was in the version that the
            env file names
  gone      the sample of that version had it, and this one's has not
  added     only the env file has it

Values that look like secrets are masked. Exit code 0: nothing of this; 1: something.`
}

// Run shows the differences. It asks no server.
func (c *envDiffCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	client, err := apps.catalogueOf(ctx, s, app)
	if err != nil {
		return err
	}
	_, entry, err := client.Entry(ctx, app.Recipe, c.Version)
	if err != nil {
		return err
	}
	loaded, err := loadEntry(ctx, client, entry)
	if err != nil {
		return err
	}
	running := s.sampleOf(ctx, client, app)
	differences := deployer.DiffEnv(app, running, loaded.Sample)
	if s.json {
		err = s.printJSON(map[string]any{"domain": app.Domain, "from": app.Version, "version": entry.Version, "differences": differences})
	} else {
		err = s.printEnvDiff(app, entry.Version, differences)
	}
	if err == nil && len(differences) > 0 {
		return answered{fault.No}
	}
	return err
}

// sampleOf is the sample of the version that the env file names, nil when there is
// none to be had: then nothing is known of older defaults.
func (s *streams) sampleOf(ctx context.Context, client *catalogue.Client, app deployer.App) *recipe.EnvFile {
	if app.Version == "" {
		return nil
	}
	_, entry, err := client.Entry(ctx, app.Recipe, app.Version)
	if err == nil {
		var loaded *recipe.Recipe
		if loaded, err = loadEntry(ctx, client, entry); err == nil {
			return loaded.Sample
		}
	}
	s.notef("galley: warning: the .env.sample of %s cannot be read: %s\n", oneLine(app.Version), oneLine(err.Error()))
	return nil
}

func (s *streams) printEnvDiff(app deployer.App, version string, differences []deployer.EnvDifference) error {
	if len(differences) == 0 {
		s.printf("%s: the env file has what %s %s asks for\n", app.Domain, app.Recipe, version)
		return nil
	}
	var rows [][]string
	for _, d := range differences {
		says := fmt.Sprintf("%s=%s", d.Variable, d.Default)
		switch d.Kind {
		case deployer.EnvChanged:
			says = fmt.Sprintf("%s=%s (default was %q, is %q)", d.Variable, d.Value, d.Before, d.Default)
		case deployer.EnvGone, deployer.EnvAdded:
			says = fmt.Sprintf("%s=%s", d.Variable, d.Value)
		}
		where := fmt.Sprintf("%s:%d", recipe.SampleName, d.Line)
		if d.Kind != deployer.EnvMissing && d.Kind != deployer.EnvOptional {
			where = fmt.Sprintf("%s.env:%d", app.Domain, d.Line)
		}
		rows = append(rows, []string{d.Kind, says, where})
	}
	return s.table([]string{"KIND", "VARIABLE", "WHERE"}, rows)
}
