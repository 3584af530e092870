// Package trust is the catalogue's room for The Update Framework (TUF,
// specification 1.0.31): keys, the chain of roots, signing, and the refresh of
// a client. go-tuf does the framework's work; nobody outside this package sees it.
//
// Metadata stands at metadata/ below the catalogue: N.root.json, N.targets.json,
// N.bin-3f.json for each of the hash bins that targets.json delegates to,
// N.snapshot.json, timestamp.json, and root.json as a copy of the newest root.
// No two bins ever share a number, so none can be shown in another's place: the
// snapshot names bins by their numbers alone, and that is short.
//
// It is compact JSON with sorted keys. One state has one spelling, and a file in
// any other is refused: a changed byte that does not change what is signed would
// go unseen otherwise.
//
// It refuses to sign what goes backwards, and to hand out anything that is not
// signed, current and whole.
package trust

import (
	"strconv"
	"time"
)

// Role is one of TUF's four top-level roles, or a hash bin.
type Role string

// The roles: who is trusted; what the files are; which metadata belongs
// together; that it is the latest.
const (
	Root      Role = "root"
	Targets   Role = "targets"
	Snapshot  Role = "snapshot"
	Timestamp Role = "timestamp"
)

// Roles are the top-level ones, root first.
var Roles = []Role{Root, Targets, Snapshot, Timestamp}

// Folder is where metadata stands below the catalogue.
const Folder = "metadata"

// TimestampName is the one metadata file that changes in place.
const TimestampName = Folder + "/timestamp.json"

// RootCopyName is the newest root under a name that does not change.
const RootCopyName = Folder + "/root.json"

// Name is the versioned file of a role: "metadata/3.targets.json". A timestamp
// has no version in its name.
func Name(role Role, version int64) string {
	if role == Timestamp {
		return TimestampName
	}
	return Folder + "/" + strconv.FormatInt(version, 10) + "." + string(role) + ".json"
}

// Limits of metadata files in bytes. A target takes some 130 bytes. Targets are
// large only without bins, as galley wrote them once.
const (
	maxRoot      = 512_000
	maxTimestamp = 16_384
	maxSnapshot  = 2_000_000
	maxTargets   = 8_000_000
	maxBin       = 512_000
)

// MaxLength is the largest metadata file of a role, in bytes.
func MaxLength(role Role) int64 {
	switch role {
	case Root:
		return maxRoot
	case Timestamp:
		return maxTimestamp
	case Snapshot:
		return maxSnapshot
	}
	if role.IsBin() {
		return maxBin
	}
	return maxTargets
}

// MaxRoots bounds how many roots a chain may have.
const MaxRoots = 1024

// Expiry is how long each role's signature is valid. Bins are targets.
type Expiry struct{ Root, Targets, Snapshot, Timestamp time.Duration }

const day = 24 * time.Hour

// DefaultExpiry suits a small co-operative: a timer signs the timestamp daily.
var DefaultExpiry = Expiry{Root: 365 * day, Targets: 90 * day, Snapshot: 90 * day, Timestamp: 14 * day}

// ClockSlack is by how much clocks of publishers may differ without a word.
const ClockSlack = day

// Of is the expiry of one role.
func (e Expiry) Of(role Role) time.Duration {
	switch role {
	case Root:
		return e.Root
	case Snapshot:
		return e.Snapshot
	case Timestamp:
		return e.Timestamp
	}
	return e.Targets
}
