package catalogue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// PublishOptions say what is published and where to.
type PublishOptions struct {
	Public string // the signed catalogue, a folder
	// Target is a folder, which is made when it is not there, or
	// oci://host/repository[:tag].
	Target string
	// Root is a pinned root metadata file, nil without one.
	Root []byte
	// Recheck looks at everything that the target has already, instead of taking
	// a file with the right name and size, or a blob that a manifest names, for
	// the right one. What is wrong or missing is published again.
	Recheck bool
	// Keep is how long files stay in a target folder that no reader of the newest
	// catalogue needs; DefaultKeep when zero.
	Keep time.Duration
	// Now is the moment for expiry; zero means the clock.
	Now time.Time
	// Timeout is of one request, body included; DefaultTimeout when zero.
	Timeout time.Duration
	// Progress is called from one goroutine at a time; nil is fine.
	Progress func(PublishEvent)
}

// PublishEvent tells how far a Publish is.
type PublishEvent struct {
	Stage       string // "verifying", "copying", "pushing"
	Done, Total int    // files; 0 where that is not known
}

// Published is what Publish did.
type Published struct {
	Target string `json:"target"`
	// Version is the timestamp's, Previous that of what was there, 0 for nothing.
	Version  int64 `json:"version"`
	Previous int64 `json:"previous"`
	// Files and Bytes are the catalogue's; Written and WrittenBytes those that
	// the target did not have. Manifests of a registry are among them.
	Files        int      `json:"files"`
	Bytes        int64    `json:"bytes"`
	Written      int      `json:"written"`
	WrittenBytes int64    `json:"written_bytes"`
	Removed      []string `json:"removed"` // from a folder
	// Requests and Digest, that of the index, are of a registry.
	Requests int64  `json:"requests,omitempty"`
	Digest   string `json:"digest,omitempty"`
}

// Publish copies a signed catalogue to where readers find it. It verifies all of
// it first, and refuses metadata that is older than the target's, of another
// root, or signed beside it by somebody else. Content goes first and the
// timestamp last: a reader of the target sees the old catalogue or the new one,
// at whatever moment this ends, and the next Publish goes on from there.
//
// What does not verify is fault.Refused, a target that cannot be written or is
// being published to is fault.Unavailable.
func Publish(ctx context.Context, opts PublishOptions) (*Published, error) {
	opts.Timeout, opts.Keep = cmp.Or(opts.Timeout, DefaultTimeout), cmp.Or(opts.Keep, DefaultKeep)
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	if opts.Progress == nil {
		opts.Progress = func(PublishEvent) {}
	}
	src, err := openSource(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	out := &Published{Target: opts.Target, Version: src.version, Removed: []string{}, Files: len(src.sizes)}
	for _, size := range src.sizes {
		out.Bytes += size
	}
	to := publishFolder
	if isOCI(opts.Target) {
		to = publishOCI
	}
	err = errors.Join(to(ctx, src, opts, out), src.dir.Close())
	if err != nil {
		return nil, fmt.Errorf("publishing to %s: %w", opts.Target, err)
	}
	return out, nil
}

// standing is what a target has before it is published to.
type standing struct {
	timestamp []byte            // nil for an empty target
	roots     map[string]string // name → SHA-256
}

// follow sees that the source goes on from what stands at the target.
func (s *publishSource) follow(there standing) (previous int64, err error) {
	for name, hash := range there.roots {
		if have, ok := s.roots[name]; !ok || have != hash {
			err := fault.New(fault.Refused, "the target has another %s", name)
			return 0, fault.Hint(err, "it is another catalogue, or has newer roots; publish that one, or to another place")
		}
	}
	if there.timestamp == nil {
		return 0, nil
	}
	if len(there.roots) == 0 {
		return 0, fault.New(fault.Refused, "the target has a timestamp and no root: it is no whole catalogue")
	}
	doc, err := trust.Parse(trust.Timestamp, there.timestamp)
	if err != nil {
		err = fault.New(fault.Refused, "the target's %s %w", trust.TimestampName, err)
		return 0, fault.Hint(err, "find out who changed it; remove the file to publish over it")
	}
	same := string(there.timestamp) == string(s.timestamp)
	switch {
	case doc.Version > s.version:
		err := fault.New(fault.Refused, "the target has timestamp version %d, this catalogue only %d", doc.Version, s.version)
		return 0, fault.Hint(err, "it was signed elsewhere meanwhile; publish that, or sign on top of it")
	case doc.Version == s.version && !same:
		err := fault.New(fault.Refused, "the target has another timestamp of version %d", doc.Version)
		return 0, fault.Hint(err, "two machines sign this catalogue; let one of them go on from the other's")
	}
	return doc.Version, nil
}
