package deployer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// KeptRecords is how many history records a stack keeps.
const KeptRecords = 20

// numberTries is how often a record looks for a number that is free.
const numberTries = 20

// Record is one line of a stack's history.
type Record struct {
	Number    int           `json:"number"` // ascending, from 1
	When      time.Time     `json:"when"`
	By        string        `json:"by"` // user@host
	Operation Operation     `json:"operation"`
	Recipe    string        `json:"recipe"`
	From      string        `json:"from"`
	To        string        `json:"to"`
	Entry     string        `json:"entry"` // digest of the entry, "" for an undeploy
	Catalogue CatalogueMark `json:"catalogue"`
	Verdict   Verdict       `json:"verdict"`
	State     StateAfter    `json:"state"`
	Reason    string        `json:"reason"`
	Changed   int           `json:"changed"` // objects that the plan touched
	Plan      string        `json:"plan"`    // the plan's summary, one line
	// Unverified are the reasons why nobody vouches for what was deployed; none
	// for an entry of a verified catalogue.
	Unverified []string `json:"unverified,omitempty"`
	// Token is of the deploy's journal, "" where it had none.
	Token    string        `json:"token,omitempty"`
	Duration time.Duration `json:"duration_ns"`
}

// CatalogueMark is the catalogue a deploy was made from. Its versions are what
// keeps a fresh machine from being rolled back: a catalogue with lower ones is
// older than what this swarm has seen.
type CatalogueMark struct {
	Fingerprint string `json:"fingerprint"` // of the first trusted root
	Timestamp   int64  `json:"timestamp"`
	Snapshot    int64  `json:"snapshot"`
	// TimestampSigners and SnapshotSigners are fingerprints of who might sign them.
	// Versions under other keys do not count: a thief of the old ones could have
	// signed any number, and the publisher's would never be reached.
	TimestampSigners string `json:"timestamp_signers,omitempty"`
	SnapshotSigners  string `json:"snapshot_signers,omitempty"`
}

// Operation is what was done to a stack, for the lock and the history.
type Operation string

// The operations. An empty one, in records of old, is a deploy.
const (
	OpDeploy   Operation = "deploy"
	OpUpgrade  Operation = "upgrade"
	OpRollback Operation = "rollback"
	OpRestart  Operation = "restart"
	OpScale    Operation = "scale"
	OpRotate   Operation = "rotate"
	OpUndeploy Operation = "undeploy"
	OpAdopt    Operation = "adopt"
	OpUnlock   Operation = "unlock"
	OpRestore  Operation = "restore"
)

// labelNumber orders history records without reading their bodies.
const labelNumber = "galley.number"

// History lists a stack's records, oldest first.
func (e *Engine) History(ctx context.Context, stack string) ([]Record, error) {
	configs, err := e.records(ctx, recordHistory, stack)
	if err != nil {
		return nil, fmt.Errorf("reading the history of stack %q: %w", stack, err)
	}
	var records []Record
	for _, c := range configs {
		var r Record
		if err := decodeRecord(c, &r); err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b Record) int { return cmp.Or(cmp.Compare(a.Number, b.Number), a.When.Compare(b.When)) })
	return records, nil
}

// remember appends a record and removes those past KeptRecords, oldest first. A
// number is in the record's name, so no two records of a stack have the same one,
// whoever writes at the same time.
func (e *Engine) remember(ctx context.Context, stack string, r Record) error {
	configs, err := e.records(ctx, recordHistory, stack)
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	number := func(labels map[string]string) int { n, _ := strconv.Atoi(labels[labelNumber]); return n }
	slices.SortFunc(configs, func(a, b swarm.Config) int { return cmp.Compare(number(a.Spec.Labels), number(b.Spec.Labels)) })
	r.Number = 1
	if len(configs) > 0 {
		r.Number = number(configs[len(configs)-1].Spec.Labels) + 1
	}
	r.Reason = clip(r.Reason, 1000) // a record keeps to 4 KB
	if err := e.append(ctx, stack, r); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	for i := 0; i < len(configs)+1-KeptRecords; i++ {
		if err := e.removeRecord(ctx, configs[i].ID); err != nil {
			return fmt.Errorf("pruning the history: %w", err)
		}
	}
	return nil
}

// append writes a record under its number, or the next one that is free.
func (e *Engine) append(ctx context.Context, stack string, r Record) error {
	for try := 1; ; try++ {
		data, err := json.Marshal(r)
		if err != nil {
			return err
		}
		number := strconv.Itoa(r.Number)
		_, err = e.createRecord(ctx, recordHistory, stack, number, data, map[string]string{labelNumber: number})
		if err == nil || !isNameTaken(err) || try >= numberTries {
			return err
		}
		r.Number++
	}
}

// Seen is the highest catalogue versions that any stack on the swarm was
// deployed from, among those that can be compared with mark: of the same root,
// and of the same signers. A record that does not say who signed counts.
func (e *Engine) Seen(ctx context.Context, mark CatalogueMark) (CatalogueMark, error) {
	records, err := e.History(ctx, "")
	return seenIn(records, mark), err
}

// LastCatalogue is the catalogue that a stack was last deployed from with success;
// its Fingerprint is "" when none is recorded.
func (e *Engine) LastCatalogue(ctx context.Context, stack string) (CatalogueMark, error) {
	records, err := e.History(ctx, stack)
	return lastCatalogue(records), err
}

// lastCatalogue passes over deploys that failed, and undeploys.
func lastCatalogue(records []Record) CatalogueMark {
	for i := len(records) - 1; i >= 0; i-- {
		if r := records[i]; r.Verdict == Converged && r.Entry != "" && r.Catalogue.Fingerprint != "" {
			return r.Catalogue
		}
	}
	return CatalogueMark{}
}

func seenIn(records []Record, mark CatalogueMark) CatalogueMark {
	seen := mark
	seen.Timestamp, seen.Snapshot = 0, 0
	for _, r := range records {
		if r.Catalogue.Fingerprint != mark.Fingerprint {
			continue
		}
		if sameSigners(r.Catalogue.TimestampSigners, mark.TimestampSigners) {
			seen.Timestamp = max(seen.Timestamp, r.Catalogue.Timestamp)
		}
		if sameSigners(r.Catalogue.SnapshotSigners, mark.SnapshotSigners) {
			seen.Snapshot = max(seen.Snapshot, r.Catalogue.Snapshot)
		}
	}
	return seen
}

func sameSigners(recorded, now string) bool { return recorded == "" || recorded == now }
