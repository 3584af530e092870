package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// RestoreOptions say what comes back, and into which app.
type RestoreOptions struct {
	Repository *Repository
	Manifest   *Manifest
	// Desired is the stack to deploy on the restored volumes: the recorded version,
	// made with the app's env file as it is to be. Its secrets must be there.
	Desired *deployer.Desired
	// Deploy are the options of its deploy. OnFailure, Hold and Operation are set here.
	Deploy deployer.DeployOptions
	// App is whose env file and secrets Make writes, as Beside says; nil for a Make that
	// writes nothing. It is called once the swarm knows of the restore.
	App    deployer.App
	Beside deployer.RestoredBeside
	Make   func(ctx context.Context) error
	// Apart are names of volumes of the wanted stack that have another one there.
	Apart map[string]string
	// Node is the host name of the node for volumes that are nowhere yet; "" takes
	// the only one, or the one that the backup was read on.
	Node        string
	HookTimeout time.Duration
	Report      func(Progress)
}

// Restored is what a restore did.
type Restored struct {
	Run     string           `json:"run"`
	Volumes []RestoredVolume `json:"volumes"`
	// Kept are the copies of what the volumes held before: they stay until told.
	Kept []deployer.KeptVolume `json:"kept"`
	// Outcome is how the deploy on the restored volumes ended.
	Outcome deployer.Outcome `json:"outcome"`
}

// RestoredVolume is a volume that a part was unpacked in.
type RestoredVolume struct {
	Volume string   `json:"volume"`
	Node   string   `json:"node"`
	Paths  []string `json:"paths"` // what of it, none for all
	Made   bool     `json:"made"`  // it was not there before
	Files  int64    `json:"files"`
	Bytes  int64    `json:"bytes"`

	nodeID string
	part   *Part
}

// restoration is one restore on its way.
type restoration struct {
	RestoreOptions
	engine   *deployer.Engine
	hold     *deployer.Hold
	state    *deployer.Restoring
	volumes  []RestoredVolume
	carriers map[string]*deployer.Carrier
	result   Restored
}

// Restore brings an app's data back: it stops the services, keeps copies of the volumes,
// writes what the run has into them, deploys, restores what belongs into running
// containers, and runs the recipe's hooks. Whatever fails on the way, the volumes get
// back what they held, and the services that ran run again; when that fails, too, the
// error is fault.Left, and the copies are there.
//
// A restore that was killed is begun anew by the next one, whose copies are those that
// the killed one made. Nobody can deploy the stack in between.
func Restore(ctx context.Context, e *deployer.Engine, o RestoreOptions) (*Restored, error) {
	r := &restoration{RestoreOptions: o, engine: e, carriers: map[string]*deployer.Carrier{}}
	r.result = Restored{Run: o.Manifest.Run, Volumes: []RestoredVolume{}, Kept: []deployer.KeptVolume{}}
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	var err error
	r.hold, err = e.Hold(ctx, o.Desired.Stack.Name, deployer.HoldOptions{
		Reason: "a restore of run " + o.Manifest.Run, Takeover: true, Limits: o.Deploy.Limits, Credentials: o.Deploy.Credentials,
		Report: deployEvents(o.Report), Abort: o.Deploy.Abort,
	})
	if err != nil {
		return nil, err
	}
	defer func() { r.hold.Close(ctx) }()
	if err := r.runHooks(ctx, r.scope().RestorePre, "restore pre-hook"); err != nil {
		return nil, err
	}
	switch err := r.work(ctx); {
	case err != nil && r.state == nil && r.hold.Untouched():
		return nil, err
	case err != nil:
		return r.undo(ctx, err)
	}
	r.result.Kept = r.state.Kept
	if err := r.state.Done(context.WithoutCancel(ctx), r.hold); err != nil { // it may be taken for one that is not done
		return &r.result, fault.Wrap(fault.Left, err)
	}
	return &r.result, nil
}

// work is everything that changes the app. What it fails at is undone by the caller.
func (r *restoration) work(ctx context.Context) error {
	if err := r.hold.Stop(ctx, nil); err != nil {
		return err
	}
	if err := r.keep(ctx); err != nil {
		return err
	}
	for i := range r.volumes {
		if v := &r.volumes[i]; len(v.Paths) == 0 {
			if err := r.unpack(ctx, v); err != nil {
				return err
			}
		}
	}
	if err := r.deploy(ctx); err != nil {
		return err
	}
	if err := r.lookWhere(ctx); err != nil {
		return err
	}
	if err := r.intoRunning(ctx); err != nil {
		return err
	}
	r.result.Volumes = r.volumes
	return nil
}

// scope is what the wanted stack's labels say: hooks of the version that is restored.
func (r *restoration) scope() *Scope { return NewScope(r.Desired.Stack) }

// look finds a place for every volume of the run, and refuses a run that cannot be
// restored, before anything is changed.
func (r *restoration) look(ctx context.Context) error {
	name := r.Desired.Stack.Name
	if _, err := r.left(ctx); err != nil {
		return err
	}
	current, err := r.engine.Current(ctx, name, r.Desired.Stack)
	if err != nil {
		return err
	}
	for _, name := range r.Beside.Secrets { // Make makes them
		current.Secrets[name] = deployer.Secret{Name: name, External: true}
	}
	if _, err := deployer.NewPlan(r.Desired, current); err != nil {
		return err // it could not be deployed afterwards
	}
	places, err := r.engine.VolumePlaces(ctx, current)
	if err != nil {
		return err
	}
	for i := range r.Manifest.Parts {
		part := &r.Manifest.Parts[i]
		if part.Kind != KindVolume {
			continue
		}
		v := RestoredVolume{Volume: r.volumeOf(part), Paths: part.Paths, part: part}
		if err := r.refuseShared(v.Volume, len(places[v.Volume]) > 0); err != nil {
			return err
		}
		if err := r.place(ctx, &v, places[v.Volume]); err != nil {
			return err
		}
		r.volumes = append(r.volumes, v)
	}
	return r.checkSpace(ctx)
}

// place chooses a volume's node: where it is; else the node that was asked for, the one
// that it was read on, or the only one.
func (r *restoration) place(ctx context.Context, v *RestoredVolume, places []deployer.VolumePlace) error {
	for _, p := range places {
		if len(places) == 1 || p.Node == cmp.Or(r.Node, v.part.Node) {
			v.Node, v.nodeID = p.Node, p.NodeID
			return nil
		}
	}
	if len(places) > 1 {
		err := fault.New(fault.Unavailable, "volume %q is on several nodes, and none of them is %q", v.Volume, cmp.Or(r.Node, v.part.Node))
		return fault.Hint(err, "say which one with --node")
	}
	out, err := r.engine.OutOfReach(ctx)
	if err != nil {
		return err
	}
	if why, down := out[v.part.Node]; down && r.Node == "" {
		err := fault.New(fault.Unavailable, "volume %q was backed up on node %q, which cannot be reached: %s", v.Volume, v.part.Node, why)
		return fault.Hint(err, "wait until it is up, or say with --node where the volume is to be made")
	}
	nodes, err := r.engine.Reached(ctx)
	if err != nil {
		return err
	}
	for host, id := range nodes {
		if host == cmp.Or(r.Node, v.part.Node) || len(nodes) == 1 && r.Node == "" {
			v.Node, v.nodeID, v.Made = host, id, true
			return nil
		}
	}
	err = fault.New(fault.Unavailable, "volume %q is nowhere on this swarm, and no node that can be reached is called %q", v.Volume, cmp.Or(r.Node, v.part.Node))
	return fault.Hint(err, "say with --node where it is to be made")
}

// deploy brings the wanted stack up on the restored volumes.
func (r *restoration) deploy(ctx context.Context) error {
	options := r.Deploy
	options.Operation, options.OnFailure, options.Hold = deployer.OpRestore, deployer.Leave, r.hold
	outcome, err := r.engine.Deploy(ctx, r.Desired, nil, options)
	r.result.Outcome = outcome
	if err != nil {
		return err
	}
	if outcome.Verdict != deployer.Converged {
		return fault.New(fault.PutBack, "on the restored volumes %s %s did not come up: %s", r.Desired.Recipe, r.Desired.Version, outcome.Why())
	}
	return nil
}

// lookWhere refuses an app that came up on another node than its volumes were restored on.
func (r *restoration) lookWhere(ctx context.Context) error {
	current, err := r.engine.Current(ctx, r.Desired.Stack.Name, r.Desired.Stack)
	if err != nil {
		return err
	}
	places, err := r.engine.VolumePlaces(ctx, current)
	if err != nil {
		return err
	}
	return strayed(r.volumes, places)
}

// strayed tells of a volume that is in use on a node where nothing was restored into it: a
// node's local volumes are its own, and that one is empty.
func strayed(restored []RestoredVolume, places map[string][]deployer.VolumePlace) error {
	for _, v := range restored {
		for _, p := range places[v.Volume] {
			here := slices.ContainsFunc(restored, func(o RestoredVolume) bool { return o.Volume == v.Volume && o.nodeID == p.NodeID })
			if !p.Used || here || p.Driver != "local" || len(p.Options) > 0 {
				continue
			}
			err := fault.New(fault.PutBack, "volume %q was restored on node %q, and a service uses the one of node %q, which is empty", v.Volume, v.Node, p.Node)
			return fault.Hint(err, "--node %s restores it there; a placement constraint in the recipe keeps a service with its data", p.Node)
		}
	}
	return nil
}

// intoRunning restores what running services have to take: paths in their containers,
// files that a dump was written to, and then the hooks that load them.
func (r *restoration) intoRunning(ctx context.Context) error {
	for i := range r.volumes {
		if v := &r.volumes[i]; len(v.Paths) > 0 {
			if err := r.unpack(ctx, v); err != nil {
				return err
			}
		}
	}
	for i := range r.Manifest.Parts {
		if part := &r.Manifest.Parts[i]; part.Kind == KindPath {
			if err := r.intoContainer(ctx, part); err != nil {
				return err
			}
		}
	}
	post := r.scope().RestorePost
	if err := r.runHooks(ctx, post, "restore post-hook"); err != nil {
		return err
	}
	if len(post) == 0 {
		return nil
	}
	return r.stillWell(ctx)
}

// stillWell looks once more: a hook may have broken what ran before it.
func (r *restoration) stillWell(ctx context.Context) error {
	status, err := r.engine.Status(ctx, r.Desired.Stack.Name)
	if err == nil && slices.ContainsFunc(status.Services, func(s deployer.ServiceStatus) bool { return s.Running < s.Wanted }) {
		err = fault.New(fault.PutBack, "after the restore hooks the app does not run as it should")
	}
	return err
}

// runHooks runs hooks in the services that stand; those that do not are passed over.
func (r *restoration) runHooks(ctx context.Context, hooks []Hook, what string) error {
	if len(hooks) == 0 {
		return nil
	}
	stack := r.Desired.Stack.Name
	current, err := r.engine.Current(ctx, stack, nil)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if _, stands := current.Services[stack+"_"+h.Service]; !stands {
			continue
		}
		r.say("hook", h.Service, "running the %s of service %s", what, h.Service)
		if _, err := h.run(ctx, r.engine, stack, what, r.HookTimeout); err != nil {
			return err
		}
	}
	return nil
}

// undo brings back what stood before the restore, whatever ctx says, and is the error that
// tells of it.
func (r *restoration) undo(ctx context.Context, cause error) (*Restored, error) {
	interrupted := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	if interrupted {
		cause = fault.New(fault.PutBack, "interrupted by the user")
	}
	r.say("undo", "", "%v; bringing back what was before", cause)
	err := goBack(ctx, r.engine, r.hold, r.state, r.App, r.carrier)
	if err != nil {
		err = fault.Wrap(fault.Left, fmt.Errorf("%w; bringing back what was before: %w", cause, err))
		return &r.result, fault.Hint(err, "galley app restore --undo tries it again; galley app volume ls shows the copies that were kept")
	}
	if kind := fault.KindOf(cause); kind != fault.PutBack && kind != fault.Refused { // a repository that was tampered with is no failure of the app's
		cause = fault.Wrap(fault.PutBack, cause)
	}
	return &r.result, fault.Hint(cause, "the volumes hold what they held before, and what ran runs again")
}

func (r *restoration) carrier(ctx context.Context, nodeID string) (*deployer.Carrier, error) {
	if known := r.carriers[nodeID]; known != nil {
		return known, nil
	}
	made, err := r.engine.Carrier(ctx, nodeID)
	if err == nil {
		r.carriers[nodeID] = made
	}
	return made, err
}

func (r *restoration) say(stage, part, format string, args ...any) {
	if r.Report != nil {
		r.Report(Progress{Stage: stage, Part: part, Message: fmt.Sprintf(format, args...)})
	}
}
