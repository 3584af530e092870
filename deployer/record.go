package deployer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Records are swarm configs: replicated by raft, created atomically, readable by
// every operator. They carry these labels and never the namespace label, or
// `docker stack rm` would take them along.
const (
	labelRecord = "galley.record" // a recordKind
	labelStack  = "galley.stack"  // the whole stack name
	labelBeat   = "galley.beat"   // a counter that the lock's holder moves
)

// recordKind is what a record is for.
type recordKind string

const (
	recordLock    recordKind = "lock"
	recordJournal recordKind = "journal"
	recordHistory recordKind = "history"
	recordRestore recordKind = "restore"
)

// lastingRecords are the kinds that stay when no galley is at work on a stack.
var lastingRecords = []recordKind{recordHistory, recordJournal, recordRestore}

// recordName is the config's name for a record of a stack. Names that would
// pass swarm's 64 characters are cut and get a hash of the whole.
func recordName(kind recordKind, stack, suffix string) string {
	name := "galley_" + string(kind) + "_" + stack
	if suffix != "" {
		name += "_" + suffix
	}
	if len(name) <= maxSwarmName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:maxSwarmName-17] + "_" + hex.EncodeToString(sum[:])[:16]
}

// maxSwarmName is how long a name on a swarm may be.
const maxSwarmName = 64

func recordFilter(kind recordKind, stack string) filters.Args {
	args := filters.NewArgs(filters.Arg("label", labelRecord+"="+string(kind)))
	if stack != "" {
		args.Add("label", labelStack+"="+stack)
	}
	return args
}

// records lists the records of one kind, of one stack or of all ("").
func (e *Engine) records(ctx context.Context, kind recordKind, stack string) ([]swarm.Config, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return e.api.ConfigList(ctx, swarm.ConfigListOptions{Filters: recordFilter(kind, stack)})
}

// createRecord writes a record and returns its ID. A record of that name that
// exists already is an errdefs conflict: that is what makes a lock.
//
// A request once sent is waited for also when ctx ends: given up half way it
// would leave a record that nobody knows of.
func (e *Engine) createRecord(ctx context.Context, kind recordKind, stack, suffix string, data []byte, labels map[string]string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	all := map[string]string{labelRecord: string(kind), labelStack: stack}
	maps.Copy(all, labels)
	spec := swarm.ConfigSpec{Annotations: swarm.Annotations{Name: recordName(kind, stack, suffix), Labels: all}, Data: data}
	return e.createConfig(ctx, spec)
}

// removeRecord removes by ID, never by name: a name may be a successor's by now.
// "" is none.
func (e *Engine) removeRecord(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := e.api.ConfigRemove(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

func decodeRecord(c swarm.Config, into any) error {
	if err := json.Unmarshal(c.Spec.Data, into); err != nil {
		err = fmt.Errorf("reading the %s of stack %q on the swarm: %w", c.Spec.Labels[labelRecord], c.Spec.Labels[labelStack], err)
		return fault.Hint(err, "docker config inspect --pretty %s shows it", c.Spec.Name)
	}
	return nil
}
