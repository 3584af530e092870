package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/registry"
)

type appPlanCmd struct {
	oneApp  `embed:""`
	Version string `arg:"" optional:"" help:"The version to plan for (default: the one in the env file, else the newest)."`
	All     bool   `help:"Show what another client left field by field, and what stays as it is."`
	Fresh   bool   `help:"Plan for an empty server, and ask none: external networks and secrets are taken to exist." xor:"where"`
	Out     string `help:"Save the plan in a file, for deploy --plan." placeholder:"FILE" xor:"where"`

	AllowUnverified bool `help:"Plan with images that the entry does not name, pinned to what their names stand for now."`
	chaosFlag       `embed:""`
}

func (appPlanCmd) Help() string {
	return `Examples:
  galley app plan stats.example.org
  galley app plan stats.example.org 1.3.0+5.2.0
  galley app plan stats.example.org --out stats.plan

Nothing is changed. A plan that was saved with --out is deployed by galley app
deploy --plan as long as everything is as it was; what a plan masks is masked in
the file. Exit code 0: nothing to do. 1: a deploy would change something.`
}

// Run shows the plan.
func (c *appPlanCmd) Run(ctx context.Context, s *streams, apps *appCmd) error {
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	w, err := apps.wantWhere(ctx, s, app, c.Version, c.Chaos, allowFlags{AllowUnverified: c.AllowUnverified})
	if err != nil {
		return err
	}
	w.letWithdrawn = c.AllowUnverified
	plan, err := c.plan(ctx, s, apps, w)
	if err != nil {
		return err
	}
	if s.json {
		err = s.printJSON(plan)
	} else {
		err = plan.Render(s.out, deployer.RenderOptions{Color: s.colour, Unchanged: c.All, Client: c.All})
	}
	if err == nil && !plan.Empty() {
		return answered{fault.No}
	}
	return err
}

func (c *appPlanCmd) plan(ctx context.Context, s *streams, apps *appCmd, w *wanted) (*deployer.Plan, error) {
	if c.Fresh {
		return deployer.NewPlan(w.desired, deployer.Fresh(w.desired.Stack))
	}
	engine, err := w.connect(ctx, s, apps)
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	plan, err := w.plan(ctx, engine)
	if err != nil || c.Out == "" {
		return plan, err
	}
	return plan, deployer.WriteSavedPlan(c.Out, w.save(engine, plan))
}

// save is the plan with all that it was made from.
func (w *wanted) save(engine *deployer.Engine, plan *deployer.Plan) *deployer.SavedPlan {
	saved := engine.Save(w.app, w.desired, w.standing, plan)
	saved.Galley, saved.Catalogue = buildVersion(), w.mark()
	return saved
}

func (w *wanted) plan(ctx context.Context, engine *deployer.Engine) (*deployer.Plan, error) {
	current, err := engine.Current(ctx, w.desired.Stack.Name, w.desired.Stack)
	if err != nil {
		return nil, err
	}
	w.standing = current
	w.distrustWithdrawn(current)
	w.leaving(ctx, current.Version())
	return deployer.NewPlan(w.desired, current)
}

// leaving reads the release notes of the version that a way back leaves: the
// bundle of the older one cannot have them. Without them the plan warns.
func (w *wanted) leaving(ctx context.Context, from string) {
	left, err := recipe.ParseVersion(from)
	if err != nil || w.client == nil || w.leftKnown {
		return
	}
	if next, err := recipe.ParseVersion(w.entry.Version); err != nil || left.Compare(next) <= 0 {
		return
	}
	notes, err := w.notesOf(ctx, from)
	if err != nil {
		w.desired.Warnings = append(w.desired.Warnings, fmt.Sprintf("the release notes of %s, which is left, cannot be read: %s", from, oneLine(err.Error())))
	}
	for _, note := range notes {
		if !slices.ContainsFunc(w.desired.Notes, func(n recipe.Note) bool { return n.Version == note.Version }) {
			w.desired.Notes = append(w.desired.Notes, note)
		}
	}
}

func (w *wanted) notesOf(ctx context.Context, version string) ([]recipe.Note, error) {
	_, entry, err := w.client.Entry(ctx, w.app.Recipe, version)
	if err != nil {
		return nil, err
	}
	loaded, err := loadEntry(ctx, w.client, entry)
	if err != nil {
		return nil, err
	}
	return loaded.Notes, nil
}

type appDeployCmd struct {
	oneApp      `embed:""`
	Version     string `arg:"" optional:"" help:"The version to deploy (default: the one in the env file, else the newest)."`
	Plan        string `help:"Deploy what galley app plan --out saved, and only if everything is still as it was." placeholder:"FILE"`
	deployFlags `embed:""`
	chaosFlag   `embed:""`
}

func (appDeployCmd) Help() string {
	return `Examples:
  galley app deploy stats.example.org
  galley app deploy stats.example.org 1.3.0+5.2.0 --yes
  galley app deploy stats.example.org --plan stats.plan
  galley app deploy stats.example.org --chaos ./matomo

The entry and every file come from the verified catalogue; every image is pinned
to the entry's digest. All services are watched until they run, and what runs is
compared with the entry. When anything fails the whole stack is put back; with
--on-failure leave it stays as it is (exit code 6), and the next deploy starts from
what stood before.

Exit codes: 0 converged and verified, 4 refused, 5 failed and put back,
6 failed and not back (or unknown), 3 could not run, 130 interrupted before
anything was changed.`
}

// Run plans, asks, deploys, and records the version in the env file.
func (c *appDeployCmd) Run(ctx context.Context, s *streams, signals *signals, grammar *cli, apps *appCmd) error {
	app, err := apps.find(c.oneApp)
	if err != nil {
		return err
	}
	saved, err := c.savedPlan()
	if err != nil {
		return err
	}
	w, err := apps.wantWhere(ctx, s, app, c.Version, c.Chaos, c.allowFlags)
	if err != nil {
		return err
	}
	if err := w.judge(c.allowFlags); err != nil {
		return err
	}
	engine, err := w.connect(ctx, s, apps)
	if err != nil {
		return err
	}
	defer engine.Close()
	options := c.options(signals, deployer.OpDeploy)
	check := func(plan *deployer.Plan) error {
		if saved == nil {
			return nil
		}
		options.World = deployer.WorldOf(w.desired, w.standing)
		return saved.Check(w.save(engine, plan))
	}
	return c.bring(ctx, s, grammar, apps, w, engine, "Deploy this?", &options, check)
}

// bring plans, asks and deploys a version, and records it in the env file. check
// looks at the plan first.
func (c *deployFlags) bring(ctx context.Context, s *streams, grammar *cli, apps *appCmd, w *wanted, engine *deployer.Engine, question string, options *deployer.DeployOptions, check func(*deployer.Plan) error) error {
	plan, err := w.plan(ctx, engine)
	if err != nil {
		return err
	}
	if err := check(plan); err != nil {
		return err
	}
	if err := w.refuseWithdrawn(plan); err != nil {
		return err
	}
	if err := c.dnsFlags.check(ctx, s, engine, w.desired, plan); err != nil {
		return err
	}
	if err := w.app.CanRecord(); err != nil {
		return err
	}
	if err := s.agree(ctx, plan, question, c.Yes || plan.Empty(), grammar.NoInput); err != nil {
		return err
	}
	options.Catalogue = w.mark()
	if err := c.backUp(ctx, s, apps, engine, w, plan, options.Abort); err != nil {
		return err
	}
	return s.carryOut(ctx, engine, w.app, w.desired, plan, *options, w.record)
}

// savedPlan reads the plan to go by, nil for none. Its version is the one to
// deploy; the rest is only compared.
func (c *appDeployCmd) savedPlan() (*deployer.SavedPlan, error) {
	if c.Plan == "" {
		return nil, nil
	}
	saved, err := deployer.ReadSavedPlan(c.Plan)
	if err != nil {
		return nil, err
	}
	if c.Version != "" && c.Version != saved.Version {
		return nil, fault.New(fault.Usage, "the plan in %q is for version %q, not %q", c.Plan, saved.Version, c.Version)
	}
	if c.Chaos == "" { // a work tree has a version, and cannot be asked for by it
		c.Version = saved.Version
	}
	return saved, nil
}

// record writes the version that runs into the env file.
func (w *wanted) record() error {
	if w.entry == nil {
		return nil // a work tree is no version to come back to
	}
	if err := w.app.Record(w.entry.Version); err != nil {
		err = fault.Wrap(fault.Left, fmt.Errorf("the app runs %s, but its env file could not be written: %w", w.entry.Version, err))
		return fault.Hint(err, "write TYPE=%s:%s into %s", w.app.Recipe, w.entry.Version, w.app.Path)
	}
	return nil
}

func (s *streams) printOutcome(app deployer.App, desired *deployer.Desired, o deployer.Outcome) error {
	for _, dropped := range o.Dropped {
		s.notef("galley: warning: not stored by the engine: %s\n", oneLine(dropped))
	}
	kind, good := o.Kind()
	if good {
		if len(o.UnusedSecrets) > 0 {
			s.notef("secrets that nothing uses: %s\n", oneLine(strings.Join(o.UnusedSecrets, ", ")))
		}
		if len(o.NotReached) > 0 {
			s.notef("galley: note: not observed: %s\n", notReached(o.NotReached))
		}
		s.printf("%s: %s %s in %s; %s\n", app.Domain, desired.Recipe, desired.Version, o.Duration.Round(100*time.Millisecond), verified(o))
		return nil
	}
	for _, f := range o.Failures {
		if f.Error == "" && f.Health == "" && len(f.Logs) == 0 {
			continue // not there yet when the deploy ended
		}
		s.notef("\nservice %s: %s\n", f.Service, oneLine(f.Error))
		if f.Health != "" {
			s.notef("  health check: %s\n", oneLine(f.Health))
		}
		for _, line := range f.Logs {
			s.notef("  | %s\n", oneLine(line))
		}
	}
	err := fault.New(kind, "%s: %s", app.Domain, o.Why())
	if o.State == deployer.StatePrevious {
		return fault.Hint(err, "the stack is back where it was; volumes keep what the new version wrote")
	}
	return fault.Hint(err, "the stack is %s; galley app status %s shows it, and the next deploy starts from the journal", o.State, app.Domain)
}

func verified(o deployer.Outcome) string {
	if o.Observed+o.Requested == 0 { // nothing runs, or no entry speaks for what stands
		return "converged"
	}
	if o.Requested == 0 {
		return fmt.Sprintf("converged, %s verified", count(o.Observed, "container"))
	}
	return fmt.Sprintf("converged, %s verified, %d on other nodes requested and not observed", count(o.Observed, "container"), o.Requested)
}

// notReached names nodes, and why, in one line.
func notReached(nodes []deployer.NotReached) string {
	var told []string
	for _, n := range nodes {
		told = append(told, fmt.Sprintf("node %s (%s)", oneLine(n.Name), oneLine(n.Reason)))
	}
	return strings.Join(told, ", ")
}

// credentials are the docker config's, for the nodes to pull with.
func credentials(reference string) (string, error) {
	login, err := registry.LoginFor(context.Background(), reference)
	if err != nil {
		return "", err
	}
	return deployer.EncodeAuth(login.Username, login.Password, login.IdentityToken, login.RegistryToken, login.Host)
}
