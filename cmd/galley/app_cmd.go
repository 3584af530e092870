package main

import (
	"context"
	"slices"
	"strings"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

type appCmdCmd struct {
	oneApp      `embed:""`
	Words       []string `arg:"" optional:"" passthrough:"" name:"function" help:"The function of the recipe's abra.sh and its arguments; before it, the service it runs in (default: app)."`
	List        bool     `help:"List the functions that there are."`
	insideFlags `embed:""`
}

func (appCmdCmd) Help() string {
	return `Examples:
  galley app cmd --list cloud.example.org
  galley app cmd cloud.example.org install_apps
  galley app cmd cloud.example.org db dump app
  galley app cmd cloud.example.org set_config -- --force loglevel 2

The function runs inside the service's container, never on this machine. abra.sh
comes from the verified files of the version that runs, and sees the app's
variables, STACK_NAME, DOMAIN, APP_NAME, SERVICE and TARGET. The exit code is the function's.`
}

// Run calls one function, or lists them.
func (c *appCmdCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	app, engine, err := apps.reach(ctx, s, c.oneApp)
	if err != nil {
		return err
	}
	defer engine.Close()
	standing, err := engine.Standing(ctx, app.Stack)
	if err != nil {
		return err
	}
	script, err := apps.runningScript(ctx, s, engine, app, standing)
	if err != nil {
		return err
	}
	names := deployer.Functions(script)
	if c.List {
		return s.printFunctions(app, standing, names)
	}
	service, function, args, err := c.split(names, standing)
	if err != nil {
		return err
	}
	inside, err := engine.Inside(ctx, app.Stack, service, c.Slot)
	if err != nil {
		return err
	}
	call, err := inside.Call(ctx, app, script, service, function, args)
	if err != nil {
		return err
	}
	return s.runInside(ctx, inside, c.insideFlags, call)
}

// split reads [SERVICE] FUNCTION [ARGUMENT…]: the first word is a service when the
// stack has one of that name and a function's name follows.
func (c *appCmdCmd) split(names []string, standing *deployer.Desired) (service, function string, args []string, err error) {
	words := slices.Clone(c.Words)
	if i := slices.Index(words, "--"); i >= 0 && i <= 2 {
		words = slices.Delete(words, i, i+1)
	}
	if len(words) == 0 {
		err := fault.New(fault.Usage, "there is no function to run")
		return "", "", nil, fault.Hint(err, "galley app cmd --list %s lists them", c.Domain)
	}
	if len(words) > 1 && standing.HasService(words[0]) && (slices.Contains(names, words[1]) || !slices.Contains(names, words[0])) {
		return words[0], words[1], words[2:], nil
	}
	return "app", words[0], words[1:], nil
}

func (s *streams) printFunctions(app deployer.App, standing *deployer.Desired, names []string) error {
	if s.json {
		return s.printJSON(map[string]any{"recipe": standing.Recipe, "version": standing.Version, "functions": names})
	}
	if len(names) == 0 {
		s.notef("galley: note: %s of %s %s has no functions\n", recipe.ScriptName, standing.Recipe, standing.Version)
	}
	for _, name := range names {
		s.printf("%s\n", oneLine(name))
	}
	return nil
}

// runningScript is abra.sh of the version that runs, from the catalogue's verified
// bundle. An entry other than the one that was deployed is refused: what it vouches
// for is not what runs.
func (a *appCmd) runningScript(ctx context.Context, s *streams, engine *deployer.Engine, app deployer.App, standing *deployer.Desired) (*recipe.Script, error) {
	if len(standing.Unverified) > 0 {
		err := fault.New(fault.Refused, "what runs is not verified (%s): nobody vouches for its %s", oneLine(strings.Join(standing.Unverified, "; ")), recipe.ScriptName)
		return nil, fault.Hint(err, "galley app run runs a command of your own")
	}
	if standing.Recipe != app.Recipe || standing.Version == "" {
		err := fault.New(fault.Unavailable, "the stack %q does not say that it runs the recipe %q and which version", app.Stack, app.Recipe)
		return nil, fault.Hint(err, "deploy it with galley first")
	}
	w, err := a.want(ctx, s, app, standing.Version)
	if err != nil {
		return nil, err
	}
	if err := w.sameCatalogue(ctx, engine); err != nil {
		return nil, err
	}
	if standing.EntryDigest != "" && standing.EntryDigest != w.desired.EntryDigest {
		err := fault.New(fault.Refused, "the catalogue's entry of %s %s is another one than what runs was deployed from", app.Recipe, standing.Version)
		return nil, fault.Hint(err, "galley app plan %s shows the difference", app.Domain)
	}
	return w.recipe.Script, nil
}
