package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

type appCmd struct {
	Dir            string `env:"GALLEY_DIR" default:"~/.galley" help:"Where the apps' env files are: servers/<server>/<domain>.env." placeholder:"DIR"`
	catalogueFlags `embed:""`
	hookFlags      `embed:""`

	CatalogueChange bool `help:"Take an app's recipe from another catalogue than the one that it was deployed from."`

	appMakeCmds   `embed:"" group:"Set up:"`
	appDeployCmds `embed:"" group:"Change what runs:"`
	appLookCmds   `embed:"" group:"Look:"`
	appBackupCmds `embed:"" group:"Back up:"`
	appInsideCmds `embed:"" group:"Reach in:"`
}

// appMakeCmds are about an app's files and secrets.
type appMakeCmds struct {
	New    appNewCmd    `cmd:"" help:"Make a new app: write its env file."`
	Adopt  appAdoptCmd  `cmd:"" help:"Take over what another client deployed, without deploying it again."`
	Config appConfigCmd `cmd:"" help:"Edit an app's env file, and check the result."`
	Check  appCheckCmd  `cmd:"" help:"Check an app's env file against its recipe."`
	Env    appEnvCmd    `cmd:"" help:"Compare env files with samples."`
	Ls     appLsCmd     `cmd:"" help:"List the apps."`
	Secret appSecretCmd `cmd:"" help:"Make, insert, list and remove an app's secrets."`
}

// appDeployCmds change what runs, under the stack's lock.
type appDeployCmds struct {
	Plan     appPlanCmd     `cmd:"" help:"Show what a deploy would change. Exits with 1 when something would."`
	Deploy   appDeployCmd   `cmd:"" help:"Deploy a version from the verified catalogue."`
	Upgrade  appUpgradeCmd  `cmd:"" help:"Go to a newer version; --auto does it for a timer."`
	Rollback appRollbackCmd `cmd:"" help:"Go back to a version that ran before."`
	Restart  appRestartCmd  `cmd:"" help:"Restart an app's services."`
	Scale    appScaleCmd    `cmd:"" help:"Set how many replicas services have."`
	Undeploy appUndeployCmd `cmd:"" help:"Take an app off its server; volumes and secrets stay."`
	Unlock   appUnlockCmd   `cmd:"" help:"Take away the lock of a deploy that is gone."`
}

// appLookCmds change nothing.
type appLookCmds struct {
	Status  appStatusCmd  `cmd:"" help:"Show what runs."`
	History appHistoryCmd `cmd:"" help:"Show what was done to an app, by whom, and how it ended."`
	Verify  appVerifyCmd  `cmd:"" help:"Compare what runs with the catalogue's entry."`
	Logs    appLogsCmd    `cmd:"" help:"Show what the services write, merged by time."`
	Volume  appVolumeCmd  `cmd:"" help:"List an app's volumes."`
}

// appBackupCmds keep apps' data elsewhere and bring it back.
type appBackupCmds struct {
	Backup  appBackupCmd  `cmd:"" help:"Keep an app's data in an encrypted repository: list, check and thin out its backups."`
	Restore appRestoreCmd `cmd:"" help:"Bring an app back as a backup has it."`
	Clone   appCloneCmd   `cmd:"" help:"Make another app of what an app has."`
	Move    appMoveCmd    `cmd:"" help:"Move an app to another server."`
}

// appInsideCmds reach into an app's containers.
type appInsideCmds struct {
	Run appRunCmd `cmd:"" help:"Run a command in a service's container."`
	Cmd appCmdCmd `cmd:"" help:"Run a function of the recipe's abra.sh in a service's container."`
	Cp  appCpCmd  `cmd:"" help:"Copy files out of a service's container, or into it."`
}

// oneApp is how commands name an app.
type oneApp struct {
	Domain string `arg:"" help:"The app's domain."`
	Server string `short:"s" help:"The app's server, when the domain is on several." placeholder:"SERVER"`
}

// dir is where the operator's files are. An empty GALLEY_DIR is none.
func (a *appCmd) dir() deployer.Dir { return deployer.Dir{Root: home(cmp.Or(a.Dir, "~/.galley"))} }

func (a *appCmd) find(one oneApp) (deployer.App, error) { return a.dir().Find(one.Domain, one.Server) }

// home expands a leading ~, which a default or an env file may hold and no
// shell has seen.
func home(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, rest)
		}
	}
	return path
}

// trustDir keeps the trusted roots and the highest versions seen. It is not a
// cache: losing it loses the memory that a rolled-back catalogue is held against.
func trustDir() string {
	if dir := os.Getenv("GALLEY_DIR"); dir != "" {
		return filepath.Join(home(dir), "trust")
	}
	return home("~/.galley/trust")
}

// open refreshes and verifies the catalogue that a recipe comes from.
func (a *appCmd) open(ctx context.Context, s *streams, from, recipe string) (*catalogue.Client, error) {
	clients, err := a.clients(s, filepath.Join(a.dir().Root, "trust"))
	if err != nil {
		return nil, err
	}
	return clients.For(ctx, from, recipe)
}

func readLimited(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%q is larger than %d bytes", name, limit)
	}
	return data, err
}

// wanted is a verified entry, its files, and the stack made from them. Of a work
// tree there is no entry and no client, and of a recorded entry no client.
type wanted struct {
	app         deployer.App
	client      *catalogue.Client
	entry       *catalogue.Entry
	recipe      *recipe.Recipe
	desired     *deployer.Desired
	standing    *deployer.Stack // what the last plan was made against
	fingerprint string          // by which the swarm knows the catalogue, "" for this machine's
	change      bool            // the catalogue may be another one than the stack's
	// withdrawn is why the version is not for new deploys, nil when it is.
	withdrawn    *catalogue.Withdrawal
	letWithdrawn bool // it is deployed all the same
	// recorded is the catalogue that an entry was read from when the swarm recorded
	// it, for a way back without a client. leftKnown says that the notes of the
	// version that is left are there.
	recorded  deployer.CatalogueMark
	leftKnown bool
}

// want reads an app's entry and bundle from the catalogue. version "" means the
// one in the env file, and without one there the newest.
func (a *appCmd) want(ctx context.Context, s *streams, app deployer.App, version string) (*wanted, error) {
	return a.wantAllowed(ctx, s, app, version, allowFlags{})
}

// wantAllowed is want for a command that may be told to let more through.
func (a *appCmd) wantAllowed(ctx context.Context, s *streams, app deployer.App, version string, allow allowFlags) (*wanted, error) {
	client, published, entry, err := a.entry(ctx, s, app, version)
	if err != nil {
		return nil, err
	}
	return a.wantEntry(ctx, app, client, published, entry, allow)
}

// entry reads what the catalogue has of an app.
func (a *appCmd) entry(ctx context.Context, s *streams, app deployer.App, version string) (*catalogue.Client, *catalogue.Recipe, *catalogue.Entry, error) {
	if app.Recipe == "" {
		err := fmt.Errorf("%s names no recipe", app.Path)
		return nil, nil, nil, fault.Hint(err, "it needs a line TYPE=<recipe>")
	}
	client, err := a.open(ctx, s, cmp.Or(a.From, app.Catalogue), app.Recipe)
	if err != nil {
		return nil, nil, nil, err
	}
	published, entry, err := client.Entry(ctx, app.Recipe, cmp.Or(version, app.Version))
	return client, published, entry, err
}

// wantFrom is want from a catalogue that is open.
func (a *appCmd) wantFrom(ctx context.Context, client *catalogue.Client, app deployer.App, version string) (*wanted, error) {
	published, entry, err := client.Entry(ctx, app.Recipe, version)
	if err != nil {
		return nil, err
	}
	return a.wantEntry(ctx, app, client, published, entry, allowFlags{})
}

// bundles give an entry's files.
type bundles interface {
	Bundle(ctx context.Context, e *catalogue.Entry) (fs.FS, error)
}

func loadEntry(ctx context.Context, from bundles, entry *catalogue.Entry) (*recipe.Recipe, error) {
	files, err := from.Bundle(ctx, entry)
	if err != nil {
		return nil, err
	}
	return recipe.Load(files, recipe.Options{Name: entry.Recipe, Compose: entry.Compose})
}

// wantEntry is the stack of an entry of a verified catalogue.
func (a *appCmd) wantEntry(ctx context.Context, app deployer.App, client *catalogue.Client, published *catalogue.Recipe, entry *catalogue.Entry, allow allowFlags) (*wanted, error) {
	w, err := makeWanted(ctx, app, client, entry, allow)
	if err != nil {
		return nil, err
	}
	w.client, w.change, w.withdrawn = client, a.CatalogueChange, published.Release(entry.Version).Withdrawn
	if w.withdrawn != nil {
		w.desired.Warnings = append(w.desired.Warnings, w.withdrawnText())
	}
	return w, nil
}

func makeWanted(ctx context.Context, app deployer.App, from bundles, entry *catalogue.Entry, allow allowFlags) (*wanted, error) {
	loaded, err := loadEntry(ctx, from, entry)
	if err != nil {
		return nil, err
	}
	in := deployer.Input{App: app, Recipe: loaded, Entry: entry, Resolve: allow.resolve()}
	if !entry.Lint.Vetted {
		in.Unverified = append(in.Unverified, notVetted)
	}
	desired, err := deployer.NewDesired(ctx, in)
	if err != nil {
		return nil, err
	}
	return &wanted{app: app, recipe: loaded, entry: entry, desired: desired}, nil
}

func (w *wanted) withdrawnText() string {
	return fmt.Sprintf("%s %s is withdrawn (%s)", w.app.Recipe, w.entry.Version, oneLine(w.withdrawn.String()))
}

// refuseWithdrawn keeps a withdrawn version from being deployed anew. Where it
// runs already it may be deployed again: it cannot be made worse.
func (w *wanted) refuseWithdrawn(plan *deployer.Plan) error {
	if w.withdrawn == nil || w.letWithdrawn || plan.From == w.entry.Version {
		return nil
	}
	err := fault.New(fault.Refused, "%s", w.withdrawnText())
	return fault.Hint(err, "galley catalogue show %s lists the others; --allow-withdrawn deploys it all the same", w.app.Recipe)
}

// mark is what the history keeps of the catalogue.
func (w *wanted) mark() deployer.CatalogueMark {
	if w.client == nil {
		return w.recorded
	}
	info := w.client.Info()
	return deployer.CatalogueMark{
		Fingerprint: cmp.Or(w.fingerprint, info.Fingerprint), Timestamp: info.Timestamp.Version, Snapshot: info.Snapshot.Version,
		TimestampSigners: info.Timestamp.Signers, SnapshotSigners: info.Snapshot.Signers,
	}
}

// sameCatalogue refuses another catalogue than the one that the stack was deployed
// from: its recipe of that name is another publisher's. Where this machine trusts
// the same catalogue from a later root, the stack's history keeps the earlier.
func (w *wanted) sameCatalogue(ctx context.Context, engine *deployer.Engine) error {
	last, err := engine.LastCatalogue(ctx, w.desired.Stack.Name)
	if err != nil || last.Fingerprint == "" || w.change {
		return err
	}
	same, err := w.client.Same(ctx, last.Fingerprint)
	if err != nil {
		return err
	}
	if same {
		w.fingerprint = last.Fingerprint
		return nil
	}
	info := w.client.Info()
	err = fault.New(fault.Refused, "%s was deployed from the catalogue with root %s; %s has root %s",
		w.app.Domain, catalogue.ShortFingerprint(last.Fingerprint), info.Location, catalogue.ShortFingerprint(info.Fingerprint))
	return fault.Hint(err, "name that catalogue with --catalogue or --from; --catalogue-change takes this one from now on")
}

// connect opens a server, by another of its nodes when its own engine does not answer.
func (a *appCmd) connect(ctx context.Context, s *streams, server string) (*deployer.Engine, error) {
	nodes, err := a.dir().Nodes(server)
	if err != nil {
		return nil, err
	}
	engine, err := deployer.Connect(ctx, server, nodes...)
	if err != nil {
		return nil, err
	}
	for _, warning := range engine.Warnings {
		s.notef("galley: warning: %s\n", oneLine(warning))
	}
	return engine, nil
}

// reach finds an app and opens its server, for what needs no catalogue.
func (a *appCmd) reach(ctx context.Context, s *streams, one oneApp) (deployer.App, *deployer.Engine, error) {
	app, err := a.find(one)
	if err != nil {
		return app, nil, err
	}
	engine, err := a.connect(ctx, s, app.Server)
	return app, engine, err
}

// connect opens the app's server and refuses a catalogue that is older than one
// this swarm was deployed from: a machine that never saw the newer one cannot be
// rolled back either.
func (w *wanted) connect(ctx context.Context, s *streams, apps *appCmd) (*deployer.Engine, error) {
	engine, err := apps.connect(ctx, s, w.app.Server)
	if err != nil {
		return nil, err
	}
	if err := w.current(ctx, engine); err != nil {
		engine.Close()
		return nil, err
	}
	return engine, nil
}

// current refuses a catalogue that this swarm has seen a newer one of, or another
// than the stack's.
func (w *wanted) current(ctx context.Context, engine *deployer.Engine) error {
	if w.client == nil {
		return nil
	}
	if err := w.sameCatalogue(ctx, engine); err != nil {
		return err
	}
	mark := w.mark()
	seen, err := engine.Seen(ctx, mark)
	if err == nil && (seen.Timestamp > mark.Timestamp || seen.Snapshot > mark.Snapshot) {
		err = fault.New(fault.Refused, "the catalogue (timestamp %d, snapshot %d) is older than one this swarm has seen (timestamp %d, snapshot %d)",
			mark.Timestamp, mark.Snapshot, seen.Timestamp, seen.Snapshot)
		err = fault.Hint(err, "somebody serves an old copy: ask the publisher")
	}
	return err
}
