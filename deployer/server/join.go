package server

import (
	"context"
	"fmt"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/fault"
)

// Join makes a bare machine a node of a server's swarm.
type Join struct {
	// Engine is a manager of that swarm.
	Engine  *deployer.Engine
	Machine Machine
	// Manager makes the node a manager.
	Manager bool
	// AdvertiseAddr is an address or an interface of the machine; "" takes that of the
	// default route.
	AdvertiseAddr string
	// Record notes the way to the node where other commands find it, and tells whether
	// it was not there before. It is not called in a dry run.
	Record func() (added bool, err error)
	DryRun bool
	Teller Teller
}

// Run goes through the steps, like Bootstrap's, and like it can be run again.
func (j Join) Run(ctx context.Context) ([]Step, error) {
	if err := (Bootstrap{AdvertiseAddr: j.AdvertiseAddr}).check(); err != nil {
		return nil, err
	}
	w := &work{remote: remote{machine: j.Machine}, teller: j.Teller, dry: j.DryRun}
	steps := append(machineSteps(), step{"swarm", j.enter}, step{"way to the node", j.record})
	err := w.through(ctx, steps)
	return w.steps, err
}

// enter asks the engine itself to join, over the same ssh: a docker command would show
// the join token to everybody on that machine who lists its processes.
func (j Join) enter(ctx context.Context, w *work) (string, error) {
	role := "worker"
	if j.Manager {
		role = "manager"
	}
	admission, err := j.Engine.Admission(ctx, j.Manager)
	if err != nil {
		return "", err
	}
	guest, there, err := j.visit(ctx, w)
	if err != nil {
		return "", err
	}
	if !there {
		w.told(Command{Text: joinText(role, admission)})
		return "", nil
	}
	defer guest.Close()
	is, err := admission.Member(ctx, guest)
	if err != nil {
		return "", err
	}
	if is.Member {
		return j.known(guest, is)
	}
	if !w.told(Command{Text: joinText(role, admission)}) {
		return "", nil
	}
	advertise := j.AdvertiseAddr
	if advertise == "" {
		if advertise, err = w.defaultInterface(ctx); err != nil {
			return "", err
		}
	}
	if _, err := admission.Enter(ctx, guest, advertise); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is a %s, and ready", guest.Name(), role), nil
}

// visit connects to the machine's engine, which in a dry run need not be there.
func (j Join) visit(ctx context.Context, w *work) (*deployer.Guest, bool, error) {
	w.told(Command{Text: "engine API: GET /info", Reads: true})
	guest, err := deployer.Visit(ctx, j.Machine.String())
	if err != nil && w.dry {
		return nil, false, nil
	}
	return guest, err == nil, err
}

func joinText(role string, a *deployer.Admission) string {
	return fmt.Sprintf("engine API: POST /swarm/join as a %s, by %v, with the token from the swarm's manager", role, a.Managers())
}

func (j Join) known(guest *deployer.Guest, is deployer.Membership) (string, error) {
	switch {
	case j.Manager && !is.Manager:
		err := fmt.Errorf("%s is in the swarm already, as a worker", guest.Name())
		return "", fault.Hint(err, "docker node promote %s on a manager makes it one", guest.Name())
	case is.Manager:
		return guest.Name() + " is a manager of it", nil
	}
	return guest.Name() + " is a worker of it", nil
}

func (j Join) record(_ context.Context, w *work) (string, error) {
	if j.Record == nil || w.dry {
		return "", nil
	}
	added, err := j.Record()
	if added {
		w.current().State = StepChanged
	}
	return j.Machine.String(), err
}
