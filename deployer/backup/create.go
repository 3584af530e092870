package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// Progress is a step of a backup or of a restore on its way.
type Progress struct {
	Stage string `json:"stage"` // "hook", "stop", "read", "store", "start", …
	Part  string `json:"part"`  // the volume, path or service that it is about, "" for none
	// Bytes went by since the part's beginning, within Elapsed.
	Bytes   int64         `json:"bytes"`
	Elapsed time.Duration `json:"elapsed_ns"`
	Message string        `json:"message"`
	// Done says that the part is complete.
	Done bool `json:"done"`
}

// CreateOptions say what to back up, where to, and how.
type CreateOptions struct {
	App        deployer.App
	Repository *Repository
	// WithoutSecrets leaves the secrets' values out: an app that lost them cannot
	// be restored then, its data is encrypted or guarded by what nobody has.
	WithoutSecrets bool
	// Stop stops the services that use the volumes while these are read. Keep leaves
	// them stopped after a backup that succeeded: the hold is the caller's then.
	Stop bool
	Keep func(*deployer.Hold)
	// HookTimeout bounds each hook; DefaultHookTimeout when zero.
	HookTimeout time.Duration
	Limits      deployer.Limits
	Credentials deployer.Credentials
	Report      func(Progress)
	// Abort, when it ends, gives up even the starting of services again.
	Abort context.Context
}

// creation is one backup on its way.
type creation struct {
	CreateOptions
	engine *deployer.Engine
	stack  *deployer.Stack
	scope  *Scope
	places map[string][]deployer.VolumePlace
	// outOfReach are errors by volume: it may be on a node that cannot be asked.
	outOfReach map[string]error
	carriers   map[string]*deployer.Carrier // by node ID
	manifest   Manifest
	// hooked are the containers that hooks ran in, by service.
	hooked map[string]*deployer.Container
}

// Create backs an app up: hooks before, every volume and path that its labels ask for, its
// env file and its secrets, hooks after, and last the manifest. A run without a manifest is
// no backup. An error says that this one is none; the app is as it was then, services
// that were stopped run again, or the error is fault.Left.
//
// The stack's lock is held meanwhile, so that nobody deploys it. Services that a backup
// stopped which was killed then are started first.
func Create(ctx context.Context, e *deployer.Engine, o CreateOptions) (*Manifest, error) {
	o.Report = inTurn(o.Report)
	c := &creation{CreateOptions: o, engine: e, carriers: map[string]*deployer.Carrier{}, hooked: map[string]*deployer.Container{}}
	if err := c.look(ctx); err != nil {
		return nil, err
	}
	hold, err := e.Hold(ctx, o.App.Stack, deployer.HoldOptions{
		Reason: "a backup", Limits: o.Limits, Credentials: o.Credentials, Report: deployEvents(o.Report), Abort: o.Abort,
	})
	if err != nil {
		return nil, err
	}
	back, err := hold.Recover(ctx)
	if err == nil && back { // what stands now is more than what was looked at
		err = c.look(ctx)
	}
	if err == nil {
		err = c.under(ctx, hold)
	}
	if err == nil && o.Keep != nil {
		o.Keep(hold)
		return &c.manifest, nil
	}
	if back := hold.Resume(context.WithoutCancel(ctx)); back != nil {
		err = fault.Wrap(fault.Left, errors.Join(err, back))
	}
	if err != nil {
		return nil, err
	}
	return &c.manifest, nil
}

// look finds out what there is to back up, and where. Nothing is changed.
func (c *creation) look(ctx context.Context) error {
	var err error
	if c.stack, err = c.engine.Current(ctx, c.App.Stack, nil); err != nil {
		return err
	}
	if len(c.stack.Services) == 0 {
		err := fault.New(fault.Unavailable, "there is no stack %q on server %q to back up", c.App.Stack, c.engine.Server)
		return fault.Hint(err, "galley app deploy brings it there")
	}
	if left, err := c.engine.Restoring(ctx, c.App.Stack); err != nil || left != nil {
		if err == nil {
			err = fault.New(fault.Unavailable, "a restore of run %s by %s did not end: what the volumes hold is no backup", left.Run, left.By)
			err = fault.Hint(err, "galley app restore does it again, galley app restore --undo goes back")
		}
		return err
	}
	c.scope = NewScope(c.stack)
	if len(c.scope.Volumes)+len(c.scope.Paths) == 0 && len(c.scope.LeftOut) > 0 {
		err := fault.New(fault.Unavailable, "the recipe's labels leave nothing to back up: %s", strings.Join(c.scope.LeftOut, "; "))
		return fault.Hint(err, "ENABLE_BACKUPS=true in the env file, or the recipe's backupbot labels, say what is backed up")
	}
	if c.places, err = c.engine.VolumePlaces(ctx, c.stack); err != nil {
		return err
	}
	if c.outOfReach, err = c.engine.VolumesOutOfReach(ctx, c.stack); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	c.manifest = Manifest{
		Format: ManifestFormat, Run: NewRunID(now), Domain: c.App.Domain, Server: c.App.Server, Stack: c.App.Stack,
		Recipe: cmp.Or(c.stack.Recipe(), c.App.Recipe), Version: c.stack.Version(), Entry: c.stack.EntryDigest(),
		By: deployer.Operator(), Started: now, Stopped: []string{}, Secrets: SecretsNone, Parts: []Part{}, LeftOut: c.scope.LeftOut,
	}
	if why := c.stack.Unverified(); why != "" {
		c.manifest.Unverified = []string{why}
	}
	return nil
}

// under does it all under the hold. Post-hooks run whatever became of what came after
// the first pre-hook, and before services that were stopped are used no more: a hook
// needs its container.
func (c *creation) under(ctx context.Context, hold *deployer.Hold) error {
	if err := c.mayTouch(ctx); err != nil {
		return err
	}
	err := c.preHooks(ctx)
	if err == nil {
		err = c.read(ctx, hold)
	}
	if post := c.postHooks(ctx, hold); err == nil {
		err = post
	}
	if err == nil {
		err = c.sameContainers(ctx, hold)
	}
	if lost := hold.Check(context.WithoutCancel(ctx)); err == nil && lost != nil {
		err = fmt.Errorf("somebody may have changed the app during its backup: %w", lost)
	}
	if err == nil {
		err = c.seal(ctx)
	}
	return err
}

// mayTouch waits until the repository is open, when the backup is one that the app
// notices: nothing happens to it for a backup that cannot be.
func (c *creation) mayTouch(ctx context.Context) error {
	reads := len(c.scope.Secrets) > 0 && !c.WithoutSecrets // in a task of their own
	if len(c.scope.Pre)+len(c.scope.Post) > 0 || c.Stop || reads {
		return c.Repository.Opened(ctx)
	}
	return nil
}

// read stores everything but the manifest. Paths in containers and secrets are read from
// running tasks, before services are stopped. Secrets and the env file are stored beside
// the volumes: each is a run of restic, which takes a second to begin.
func (c *creation) read(ctx context.Context, hold *deployer.Hold) error {
	var paths, small, volumes []Part
	for _, p := range c.scope.Paths {
		part, err := c.storePath(ctx, p)
		if err != nil {
			return err
		}
		paths = append(paths, part)
	}
	secrets, err := c.readSecrets(ctx)
	if err != nil {
		return err
	}
	defer clear(secrets)
	beside, together := errgroup.WithContext(ctx)
	beside.Go(func() error { return c.Repository.Opened(together) })
	beside.Go(func() (err error) { small, err = c.storeSmall(together, secrets); return err })
	beside.Go(func() (err error) { volumes, err = c.storeVolumes(together, hold); return err })
	if err := beside.Wait(); err != nil {
		if closed := c.Repository.Opened(ctx); closed != nil {
			return closed // it says best what is wrong with all of them
		}
		return err
	}
	c.manifest.Parts = slices.Concat(paths, small, volumes)
	return nil
}

// storeVolumes stores the volumes one after the other, and has services stopped before
// that are to stand still.
func (c *creation) storeVolumes(ctx context.Context, hold *deployer.Hold) ([]Part, error) {
	if c.Stop {
		if err := hold.Stop(ctx, c.users()); err != nil {
			return nil, err
		}
		c.manifest.Stopped = append(c.manifest.Stopped, hold.Stopped...)
	}
	var parts []Part
	for _, v := range c.scope.Volumes {
		of, err := c.storeVolume(ctx, v)
		if err != nil {
			return nil, err
		}
		parts = append(parts, of...)
	}
	return parts, nil
}

// users are the services that mount a volume which is backed up.
func (c *creation) users() []string {
	users := []string{}
	for name, service := range c.stack.Services {
		for _, v := range c.scope.Volumes {
			if slices.Contains(deployer.VolumesOf(service.Spec), v.Name) {
				users = append(users, name)
				break
			}
		}
	}
	return users
}

func (c *creation) preHooks(ctx context.Context) error {
	for _, h := range c.scope.Pre {
		c.say("hook", h.Service, "running the pre-hook of service %s", h.Service)
		container, err := h.run(ctx, c.engine, c.App.Stack, "pre-hook", c.HookTimeout)
		if err != nil {
			return err
		}
		c.hooked[h.Service] = container
	}
	return nil
}

// postHooks run all, whatever ctx says, and tell of the first that fails. Stopped services are
// started first.
func (c *creation) postHooks(ctx context.Context, hold *deployer.Hold) error {
	if len(c.scope.Post) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if len(hold.Stopped) > 0 && c.Keep == nil {
		if err := hold.Start(ctx); err != nil {
			return err
		}
		c.hooked = map[string]*deployer.Container{} // they are new ones
	}
	var first error
	for _, h := range c.scope.Post {
		if len(hold.Stopped) > 0 && slices.Contains(hold.Stopped, c.App.Stack+"_"+h.Service) {
			continue // what it tidies up ends with its container
		}
		c.say("hook", h.Service, "running the post-hook of service %s", h.Service)
		_, err := h.run(ctx, c.engine, c.App.Stack, "post-hook", c.HookTimeout)
		first = cmp.Or(first, err)
	}
	return first
}

// sameContainers refuses a backup during which a container with hooks was replaced: what
// its hook prepared may be half of it, or gone.
func (c *creation) sameContainers(ctx context.Context, hold *deployer.Hold) error {
	for service, was := range c.hooked {
		if slices.Contains(hold.Stopped, c.App.Stack+"_"+service) {
			continue
		}
		now, err := c.engine.Inside(ctx, c.App.Stack, service, was.Slot)
		if err == nil && now.ID != was.ID {
			err = fault.New(fault.Unavailable, "the container of service %q was replaced during the backup", service)
		}
		if err != nil {
			return fault.Hint(fmt.Errorf("checking what the hook ran in: %w", err), "galley app status and galley app logs tell why; run it again")
		}
	}
	return nil
}

func (c *creation) say(stage, part, format string, args ...any) {
	if c.Report != nil {
		c.Report(Progress{Stage: stage, Part: part, Message: fmt.Sprintf(format, args...)})
	}
}

// inTurn has one report made at a time: parts are stored side by side.
func inTurn(report func(Progress)) func(Progress) {
	if report == nil {
		return nil
	}
	var turn sync.Mutex
	return func(p Progress) {
		turn.Lock()
		defer turn.Unlock()
		report(p)
	}
}

// deployEvents hands what a stop and a start tell on as progress.
func deployEvents(report func(Progress)) func(deployer.Event) {
	if report == nil {
		return nil
	}
	return func(e deployer.Event) {
		report(Progress{Stage: e.Stage, Part: e.Service, Message: e.Message, Elapsed: e.Elapsed})
	}
}
