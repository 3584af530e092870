package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

var (
	errHTML      = errors.New("is an HTML page: the host answers so for files that it does not have")
	errNotSigned = errors.New("is not the file that was signed: wrong length or hash")
)

// refuse is the one form of "this file does not verify".
func refuse(name string, err error) error {
	return fault.Hint(fault.New(fault.Refused, "%s %w", name, err), "tell the publisher; nothing was changed")
}

// Ago says how long something is over, in the unit that people would use.
func Ago(d time.Duration) string { return inUnits(d) + " ago" }

func inUnits(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}

// expired is the refusal of metadata whose time is over.
func expired(name string, role Role, over time.Duration) error {
	err := fault.New(fault.Refused, "%s expired %s", name, Ago(over))
	if role == Root {
		return fault.Hint(err, "the publisher must sign a new root; check this machine's clock too")
	}
	return fault.Hint(err, "the publisher must refresh the catalogue: galley catalogue sign; check this machine's clock too")
}

// explain words an error of go-tuf's updater: the file that was read last is the
// one that it is about.
func (r *refresh) explain(err error) error {
	if fault.KindOf(err) == fault.Refused {
		return err
	}
	name, role := r.last.name, r.last.role
	doc, parseErr := Parse(role, r.last.data)
	var http *metadata.ErrDownloadHTTP
	switch {
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Interrupted, err)
	case errors.As(err, &http):
		return refuse(name, errors.New("is missing"))
	case r.last.err != nil:
		return r.last.err
	case isLocal(err):
		return KeepError(r.dir, err)
	case parseErr != nil:
		return refuse(name, parseErr)
	case errors.Is(err, &metadata.ErrExpiredMetadata{}):
		return r.explainExpired(name, doc)
	case errors.Is(err, &metadata.ErrLengthOrHashMismatch{}):
		return refuse(name, errNotSigned)
	case errors.Is(err, &metadata.ErrUnsignedMetadata{}):
		return refuse(name, fmt.Errorf("is not signed by the keys that the root names for %s", role))
	case errors.Is(err, &metadata.ErrBadVersionNumber{}):
		return refuse(name, r.explainVersion(doc))
	}
	return refuse(name, unknown(err))
}

// unknown words what go-tuf alone knows.
func unknown(err error) error {
	return fmt.Errorf("is refused: %s", strings.TrimPrefix(err.Error(), "repository error: "))
}

// explainExpired finds whose time is over: go-tuf notices an old root when it
// has the timestamp already, and an old timestamp that it had seen before when
// it has the snapshot.
func (r *refresh) explainExpired(name string, doc *Document) error {
	trusted := r.updater.GetTrustedMetadataSet()
	if root := trusted.Root; root.Signed.IsExpired(r.now) {
		return expired(Name(Root, root.Signed.Version), Root, r.now.Sub(root.Signed.Expires))
	}
	if t := trusted.Timestamp; t != nil && t.Signed.IsExpired(r.now) {
		return expired(TimestampName, Timestamp, r.now.Sub(t.Signed.Expires))
	}
	return expired(name, doc.Role, r.now.Sub(doc.Expires))
}

func (r *refresh) explainVersion(doc *Document) error {
	seen := r.seen[doc.Role]
	if seen == nil {
		return fmt.Errorf("has the wrong version %d", doc.Version)
	}
	if doc.Version < seen.Version {
		return fmt.Errorf("is older than seen: version %d < %d", doc.Version, seen.Version)
	}
	for _, name := range slices.Sorted(maps.Keys(seen.Files)) {
		if now, was := doc.Files[name].Version, seen.Files[name].Version; now < was {
			return fmt.Errorf("leads to an older %s than seen: version %d < %d", name, now, was)
		}
	}
	return fmt.Errorf("has the wrong version %d", doc.Version)
}

// explainFetch turns what a Fetcher reports into what the user reads.
func explainFetch(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(name, errors.New("is missing"))
	case errors.Is(err, disk.ErrTooLarge):
		return refuse(name, errors.New("is longer than it may be"))
	}
	return fmt.Errorf("reading %s: %w", name, err)
}
