package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

type secretRotateCmd struct {
	oneApp     `embed:""`
	Secrets    []string `arg:"" name:"secret" help:"The secrets' keys in the compose file."`
	FromStdin  bool     `name:"value-from-stdin" help:"Read the new value from standard input (one secret; the last newline is no part of it)."`
	File       string   `help:"Read the new value from a file, byte for byte (one secret)." placeholder:"FILE"`
	Show       bool     `help:"Print the new values. They cannot be read back later."`
	Yes        bool     `short:"y" help:"Rotate without asking."`
	watchFlags `embed:""`
}

func (secretRotateCmd) Help() string {
	return `Examples:
  galley app secret rotate stats.example.org session_key
  galley app secret rotate stats.example.org db_password --yes --show
  pass show smtp | galley app secret rotate stats.example.org smtp_password --value-from-stdin --yes

A new version is made and written into the env file (v1 to v2), the app is deployed
with it, and once it runs the old secret is removed. When the deploy fails, stack and
env file are put back and the new secret is removed. One that was interrupted is gone
on with. A password that the app keeps elsewhere, in a database for example, has to
be changed there as well. The exit codes are those of galley app deploy.`
}

// Run rotates secrets of an app that runs.
func (c *secretRotateCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	if (c.FromStdin || c.File != "") && (len(c.Secrets) != 1 || c.FromStdin && c.File != "") {
		return fault.New(fault.Usage, "one value is given for %s; expected one secret", count(len(c.Secrets), "secret"))
	}
	if c.FromStdin && !c.Yes {
		return fault.Hint(fault.New(fault.Usage, "standard input is the value, so there is nobody to ask"), "look at what galley app secret ls shows, then give --yes")
	}
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	if err := app.CanRecord(); err != nil {
		return err
	}
	standing, err := standingVersion(ctx, s, apps, app)
	if err != nil {
		return err
	}
	w, err := apps.want(ctx, s, app, standing)
	if err != nil {
		return err
	}
	engine, err := w.connect(ctx, s, apps)
	if err != nil {
		return err
	}
	defer engine.Close()
	fresh := c.FromStdin || c.File != "" || c.Show
	rotation, err := engine.PlanRotation(ctx, app, w.desired, c.Secrets, fresh)
	if err != nil {
		return err
	}
	raised, err := deployer.NewDesired(ctx, deployer.Input{App: rotation.App, Recipe: w.recipe, Entry: w.entry})
	if err != nil {
		return err
	}
	current, err := engine.Current(ctx, app.Stack, raised.Stack)
	if err != nil {
		return err
	}
	if err := rotation.Pretend(current, raised); err != nil {
		return err
	}
	plan, err := deployer.NewPlan(raised, current)
	if err != nil {
		return err
	}
	if !s.json {
		for _, one := range rotation.Secrets {
			s.printf("secret %s: %s → %s%s\n", one.Key, one.Old, one.New, gone(one.Resumes))
		}
	}
	if err := s.agree(ctx, plan, "Rotate so, and remove the old ones?", c.Yes, grammar.NoInput); err != nil {
		return err
	}
	values, err := c.values(ctx, s, grammar, rotation)
	if err != nil {
		return err
	}
	options := c.options(signals, deployer.OpRotate)
	options.Catalogue = w.mark()
	shown := func() {}
	if !s.json { // whose answer is one document
		options.Report, shown = s.watchDeploy()
	}
	outcome, rotated, err := engine.Rotate(ctx, rotation, values, raised, plan, options)
	shown()
	if err != nil {
		return err
	}
	s.tell(ctx, engine, app, &outcome)
	return c.tell(s, app, raised, outcome, rotated, values)
}

func gone(resumes bool) string {
	if resumes {
		return " (an interrupted rotation is gone on with)"
	}
	return ""
}

// standingVersion is the version that runs: a rotation brings no other.
func standingVersion(ctx context.Context, s *streams, apps *appCmd, app deployer.App) (string, error) {
	engine, err := apps.connect(ctx, s, app.Server)
	if err != nil {
		return "", err
	}
	defer engine.Close()
	standing, err := engine.Standing(ctx, app.Stack)
	if err != nil {
		return "", err
	}
	if standing.Version == "" {
		err := fault.New(fault.Unavailable, "the stack %q does not say which version runs", app.Stack)
		return "", fault.Hint(err, "deploy it with galley first")
	}
	return standing.Version, nil
}

// values are the new ones, by key: given, asked for, or made.
func (c *secretRotateCmd) values(ctx context.Context, s *streams, grammar *cli, rotation *deployer.Rotation) (map[string][]byte, error) {
	values := map[string][]byte{}
	for _, spec := range rotation.NeedsValue() {
		value, err := c.value(ctx, s, grammar, spec)
		if err != nil {
			return nil, err
		}
		values[spec.Key] = value
	}
	return values, nil
}

func (c *secretRotateCmd) value(ctx context.Context, s *streams, grammar *cli, spec deployer.SecretSpec) ([]byte, error) {
	switch terminal, isFile := s.in.(*os.File); {
	case c.File != "":
		return readLimited(c.File, 1<<20)
	case c.FromStdin:
		value, err := io.ReadAll(io.LimitReader(s.in, 1<<20))
		return bytes.TrimSuffix(value, []byte("\n")), err
	case spec.Generate:
		return deployer.Generate(spec, rand.Reader)
	case isFile && s.ask && !grammar.NoInput:
		return s.askSecret(ctx, terminal, spec.Key)
	}
	err := fault.New(fault.Usage, "secret %q is not to be generated; expected a value from you", spec.Key)
	return nil, fault.Hint(err, "give it with --value-from-stdin or --file")
}

// tell prints how a rotation ended.
func (c *secretRotateCmd) tell(s *streams, app deployer.App, desired *deployer.Desired, outcome deployer.Outcome, rotated deployer.Rotated, values map[string][]byte) error {
	kind, good := outcome.Kind()
	shown := map[string]string{}
	if c.Show && good {
		for key, value := range values {
			shown[key] = string(value)
		}
	}
	if s.json {
		err := s.printJSON(struct {
			deployer.Outcome
			deployer.Rotated
			Values map[string]string `json:"values"` // empty without --show
		}{outcome, rotated, shown})
		if err != nil || good {
			return err
		}
		return answered{kind}
	}
	if err := s.printOutcome(app, desired, outcome); err != nil {
		return err
	}
	for _, one := range rotated.Secrets {
		if value, ok := shown[one.Key]; ok {
			s.printf("secret %s is %s: %s\n", one.Key, one.New, visible(value))
		} else {
			s.printf("secret %s is %s\n", one.Key, one.New)
		}
	}
	for _, name := range rotated.Retired {
		s.printf("removed: secret %s\n", name)
	}
	for _, why := range rotated.Kept {
		s.notef("galley: warning: an old secret is left: %s\n", why)
	}
	return nil
}
