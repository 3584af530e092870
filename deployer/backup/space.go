package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/deployer/backup/carrier"
	"github.com/galley-coop/galley/internal/fault"
)

// spare is the part of a disk that a restore leaves free, as one in so many.
const spare = 50

// room is what a restore takes of one node's disk, in bytes and in files, as it goes on.
type room struct {
	host         string
	bytes, files amount
}

// amount is what is free of something, what is taken of that by now, and what was at most.
// free is negative where there is no limit.
type amount struct{ free, taken, most int64 }

func (a *amount) take(n int64) {
	a.taken += n
	a.most = max(a.most, a.taken)
}

func (a *amount) fits() bool { return a.free < 0 || a.most+a.free/spare <= a.free }

// keep takes room for the copy of a volume.
func (r *room) keep(u carrier.Usage) {
	r.bytes.take(u.Used)
	r.files.take(u.Files)
}

// write takes room for what a part has, after the volume was emptied or over what is in it.
func (r *room) write(p *Part, emptied bool, u carrier.Usage) {
	if emptied {
		r.bytes.take(-u.Used)
		r.files.take(-u.Files)
	}
	r.bytes.take(p.Content)
	r.files.take(p.Files)
}

func (r *room) check() error {
	var err error
	switch {
	case !r.bytes.fits():
		err = fault.New(fault.Unavailable, "node %q has %d bytes free, and the restore needs %d there, copies of what is there among them", r.host, r.bytes.free, r.bytes.most)
	case !r.files.fits():
		err = fault.New(fault.Unavailable, "node %q has room for %d files, and the restore needs %d there, copies of what is there among them", r.host, r.files.free, r.files.most)
	default:
		return nil
	}
	return fault.Hint(err, "galley app volume ls --size lists what is there; copies of earlier restores go with galley app volume drop-kept")
}

// checkSpace asks each node whether there is room for copies of all that its volumes hold,
// and then for what is restored, volume by volume: the emptying of one gives back what
// its copy takes. Copies that a restore which did not end has made are there already.
func (r *restoration) checkSpace(ctx context.Context) error {
	left, err := r.left(ctx)
	if err != nil {
		return err
	}
	var there []RestoredVolume
	usages, rooms := map[string]carrier.Usage{}, map[string]*room{}
	for _, v := range r.volumes {
		if v.Made {
			continue // nobody can ask a volume that is not there for its disk
		}
		usage, err := r.space(ctx, v)
		if err != nil {
			return err
		}
		if rooms[v.nodeID] == nil {
			rooms[v.nodeID] = &room{host: v.Node, bytes: amount{free: usage.Free}, files: amount{free: usage.InodesFree}}
		}
		if left == nil || !left.Writing {
			rooms[v.nodeID].keep(usage)
		}
		usages[v.nodeID+v.Volume] = usage
		there = append(there, v)
	}
	for _, v := range there {
		rooms[v.nodeID].write(v.part, len(v.Paths) == 0, usages[v.nodeID+v.Volume])
	}
	for _, room := range rooms {
		if err := room.check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoration) space(ctx context.Context, v RestoredVolume) (carrier.Usage, error) {
	var usage carrier.Usage
	helper, err := r.carrier(ctx, v.nodeID)
	if err != nil {
		return usage, err
	}
	var out bytes.Buffer
	said := &lastOutput{}
	code, err := helper.Run(ctx, deployer.CarryOptions{
		Stack: r.Desired.Stack.Name, Args: []string{"space", inside}, Stdout: &out, Log: said,
		Volumes: []deployer.CarryVolume{{Name: v.Volume, Target: inside, ReadOnly: true}},
	})
	if err == nil && code != 0 {
		err = fmt.Errorf("the helper ended with %d: %s", code, said)
	}
	if err == nil {
		err = json.Unmarshal(out.Bytes(), &usage)
	}
	if err != nil {
		return usage, fmt.Errorf("asking for the space of volume %q: %w", v.Volume, err)
	}
	return usage, nil
}
