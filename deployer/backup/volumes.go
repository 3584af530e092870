package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup/carrier"
	"github.com/galley-coop/galley/internal/fault"
)

// keep copies what the volumes hold, and notes on the swarm that it did, before any of
// them is written. A restore that was killed while it wrote has left such copies: those
// are what was there before, and stay.
func (r *restoration) keep(ctx context.Context) (err error) {
	if r.state, err = r.left(ctx); err != nil {
		return err
	}
	if r.state == nil {
		if err := r.begin(ctx); err != nil {
			return err
		}
	} else {
		r.say("keep", "", "a restore of this run by %s did not end; what it noted of before is what counts", r.state.By)
	}
	if r.Make != nil {
		if err := r.Make(ctx); err != nil {
			return err
		}
	}
	if !r.state.Writing {
		for _, k := range r.state.Kept { // copies that are there may be halves, and the volumes are whole
			if err := r.keepOne(ctx, k); err != nil {
				return err
			}
		}
		if err := r.state.Write(ctx, r.hold); err != nil {
			return err
		}
	}
	return r.makeVolumes(ctx)
}

// left is a restore of the stack that did not end, nil for none. One of another run is an
// error: it may have other volumes, and what those held nobody has kept.
func (r *restoration) left(ctx context.Context) (*deployer.Restoring, error) {
	left, err := r.engine.Restoring(ctx, r.Desired.Stack.Name)
	if err == nil && left != nil && left.Run != r.Manifest.Run {
		return nil, left.Unfinished()
	}
	return left, err
}

// begin notes on the swarm what is about to be done.
func (r *restoration) begin(ctx context.Context) (err error) {
	now, kept, made := time.Now(), []deployer.KeptVolume{}, []string{}
	for _, v := range r.volumes {
		if v.Made {
			made = append(made, v.Volume)
			continue
		}
		kept = append(kept, deployer.KeptVolume{Volume: v.Volume, Name: deployer.KeptName(v.Volume, now), NodeID: v.nodeID, Node: v.Node, Run: r.Manifest.Run})
	}
	r.state, err = r.engine.BeginRestore(ctx, r.hold, r.Manifest.Run, kept, made, r.Beside)
	return err
}

// keepOne copies a volume into a new one.
func (r *restoration) keepOne(ctx context.Context, k deployer.KeptVolume) error {
	if err := r.engine.KeepVolume(ctx, r.Desired.Stack.Name, k); err != nil {
		return err
	}
	r.say("keep", k.Volume, "copying what volume %s holds to %s", k.Volume, k.Name)
	return copyVolume(ctx, r.carrier, r.Desired.Stack.Name, k.NodeID, k.Volume, k.Name)
}

// helperOn gives the helper of a node.
type helperOn func(ctx context.Context, nodeID string) (*deployer.Carrier, error)

// copyVolume makes one volume hold what another does, on one node.
func copyVolume(ctx context.Context, on helperOn, stack, nodeID, from, to string) error {
	helper, err := on(ctx, nodeID)
	if err != nil {
		return err
	}
	if err := emptyVolume(ctx, helper, stack, to); err != nil {
		return err
	}
	said := &lastOutput{}
	code, err := helper.Run(ctx, deployer.CarryOptions{
		Stack: stack, Args: []string{"copy", "/from", "/to"}, Log: said,
		Volumes: []deployer.CarryVolume{{Name: from, Target: "/from", ReadOnly: true}, {Name: to, Target: "/to"}},
	})
	if err == nil {
		_, err = summaryOf(code, said)
	}
	if err != nil {
		return fmt.Errorf("copying volume %q to %q: %w", from, to, err)
	}
	return nil
}

func emptyVolume(ctx context.Context, helper *deployer.Carrier, stack, volume string) error {
	said := &lastOutput{}
	code, err := helper.Run(ctx, deployer.CarryOptions{
		Stack: stack, Args: []string{"empty", inside}, Log: said, Volumes: []deployer.CarryVolume{{Name: volume, Target: inside}},
	})
	if err == nil && code != 0 {
		err = fmt.Errorf("the helper ended with %d: %s", code, said)
	}
	if err != nil {
		return fmt.Errorf("emptying volume %q: %w", volume, err)
	}
	return nil
}

// makeVolumes makes the volumes that are not there, as the stack wants them.
func (r *restoration) makeVolumes(ctx context.Context) error {
	for _, v := range r.volumes {
		if !v.Made {
			continue
		}
		wanted, ok := r.Desired.Stack.Volumes[v.Volume]
		if !ok { // the version that is deployed does not have it
			wanted = deployer.Volume{Name: v.Volume}
		}
		if err := r.engine.MakeVolume(ctx, r.Desired.Stack.Name, v.nodeID, wanted); err != nil {
			return err
		}
	}
	return nil
}

// unpack writes a part into its volume: into one that was emptied, or over the paths
// that the part has.
func (r *restoration) unpack(ctx context.Context, v *RestoredVolume) error {
	stack := r.Desired.Stack.Name
	helper, err := r.carrier(ctx, v.nodeID)
	if err != nil {
		return err
	}
	if len(v.Paths) == 0 {
		if err := emptyVolume(ctx, helper, stack, v.Volume); err != nil {
			return err
		}
	}
	var summary carrier.Summary
	err = r.readPart(ctx, v.part, r.Repository.passPart, func(ctx context.Context, in io.Reader) error {
		said := &lastOutput{}
		code, err := helper.Run(ctx, deployer.CarryOptions{
			Stack: stack, Args: []string{"unpack", inside}, Stdin: in, Shortcut: true, Log: said, Volumes: []deployer.CarryVolume{{Name: v.Volume, Target: inside}},
		})
		if err == nil {
			summary, err = summaryOf(code, said)
		}
		return err
	})
	if err == nil { // digested by the helper, once, and at the very end of the way
		err = v.part.compare(summary.Bytes, summary.SHA256)
	}
	if err == nil && summary.Files != v.part.Files {
		err = fmt.Errorf("%d files came, and the backup has %d", summary.Files, v.part.Files)
	}
	if err != nil {
		return fmt.Errorf("restoring volume %q: %w", v.Volume, err)
	}
	v.Files, v.Bytes = summary.Files, summary.Content
	return nil
}

// partReader writes a part's stream: ReadPart or passPart of a Repository.
type partReader func(ctx context.Context, p *Part, w io.Writer) error

// readPart streams a part from the repository to take. What read says of it, and that
// take does not read it to its end, are errors.
func (r *restoration) readPart(ctx context.Context, p *Part, read partReader, take func(ctx context.Context, in io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out := io.Pipe()
	passed := newMeter(r.Report, "restore", p).through(out)
	ended := make(chan error, 1)
	go func() {
		err := read(ctx, p, passed)
		_ = out.CloseWithError(err) // nil is the end of the stream
		ended <- err
	}()
	err := take(ctx, in)
	_ = in.CloseWithError(errTaken)
	switch fromRepository := <-ended; {
	case fromRepository != nil && !errors.Is(fromRepository, errTaken):
		return fromRepository
	case err != nil:
		return err
	case fromRepository != nil:
		return fmt.Errorf("the stream of %q was not read to its end", p.File)
	}
	passed.finish()
	return nil
}

var errTaken = errors.New("nobody reads on")

// intoContainer unpacks a path's part where it was.
func (r *restoration) intoContainer(ctx context.Context, p *Part) error {
	c, err := r.engine.Inside(ctx, r.Desired.Stack.Name, p.Service, 0)
	if err == nil {
		err = r.readPart(ctx, p, r.Repository.ReadPart, func(ctx context.Context, in io.Reader) error { return c.Unarchive(ctx, path.Dir(p.Name), in) })
	}
	if err != nil {
		return fmt.Errorf("restoring %q of service %q: %w", p.Name, p.Service, err)
	}
	return nil
}

// GoBack brings back what was before a restore that did not end: what the volumes of the
// app's stack held, the services that ran, the env file, and no secret that it made.
func GoBack(ctx context.Context, e *deployer.Engine, app deployer.App, o deployer.HoldOptions) error {
	hold, err := e.Hold(ctx, app.Stack, o)
	if err != nil {
		return err
	}
	defer hold.Close(ctx)
	state, err := e.Restoring(ctx, app.Stack) // under the lock: it may have ended meanwhile
	if err != nil {
		return err
	}
	if state == nil {
		return fault.New(fault.Unavailable, "the restore of %s has ended meanwhile", app.Domain)
	}
	r := &restoration{engine: e, carriers: map[string]*deployer.Carrier{}}
	if err := goBack(ctx, e, hold, state, app, r.carrier); err != nil {
		return fault.Hint(fault.Wrap(fault.Left, err), "run it again: what it needs is there")
	}
	return nil
}

// goBack undoes a restore, of which state may be nil when it had not begun, and gives the
// lock back. Secrets go last: services that are not back may name them.
func goBack(ctx context.Context, e *deployer.Engine, hold *deployer.Hold, state *deployer.Restoring, app deployer.App, on helperOn) error {
	if err := hold.Stop(ctx, nil); err != nil {
		return err
	}
	if state == nil {
		return hold.Resume(ctx)
	}
	if err := undo(ctx, e, state, app, on); err != nil {
		return err
	}
	if err := hold.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	defer hold.Close(ctx)
	for _, name := range state.Secrets {
		if err := e.RemoveSecretNamed(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// undo brings back what volumes held and the env file, and removes volumes that were not
// there. Copies that are not whole are of volumes that nobody has written. Until all is
// back the swarm knows of the restore, and the copies are there; that one of them cannot
// be removed then is nothing that keeps an app from running. Services must be stopped.
func undo(ctx context.Context, e *deployer.Engine, state *deployer.Restoring, app deployer.App, on helperOn) error {
	if state.Writing {
		for _, k := range state.Kept {
			if err := copyVolume(ctx, on, state.Stack, k.NodeID, k.Name, k.Volume); err != nil {
				return err
			}
		}
	}
	for _, name := range state.Made {
		if err := removeEverywhere(ctx, e, name); err != nil {
			return err
		}
	}
	if err := app.Unsave(state.Env, state.EnvMade); err != nil {
		return err
	}
	if err := state.End(ctx); err != nil {
		return err
	}
	for _, k := range state.Kept {
		_ = e.RemoveVolume(ctx, k.NodeID, k.Name) // galley app volume ls shows the one that stays
	}
	return nil
}

func removeEverywhere(ctx context.Context, e *deployer.Engine, volume string) error {
	nodes, err := e.Reached(ctx)
	if err != nil {
		return err
	}
	for _, id := range nodes {
		if err := e.RemoveVolume(ctx, id, volume); err != nil {
			return err
		}
	}
	return nil
}
