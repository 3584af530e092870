package source

import (
	"context"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// PeeledTag is a tag as a listing shows it, without its object being read.
type PeeledTag struct {
	// Tag is the hash of the tag object, "" when the tag is lightweight. When
	// Target is "" it is the hash in the ref, and what kind of object that is
	// nobody has looked at.
	Tag string
	// Target is the hash of what the tag leads to, which may be no commit; "" when
	// it takes reading an object to know.
	Target string
}

// Listing is a repository's tags at one moment: enough to see what changed, and
// to open the repository later without asking for them again.
type Listing struct {
	// Tags are by name, without refs/tags/.
	Tags map[string]PeeledTag
	// DefaultBranch is what Repository.DefaultBranch gives; "" without commits.
	DefaultBranch string

	source Source
	remote refList
}

// Source is where the listing is from.
func (l *Listing) Source() Source { return l.source }

// List looks at a repository's refs: of a remote in one round trip and without a
// mirror, of a local one without reading an object or opening its packs.
func List(ctx context.Context, location string, opts Options) (*Listing, error) {
	src, err := parseWith(location, opts)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, src.explain(err)
	}
	if src.Local {
		return listLocal(src, opts.Parents)
	}
	ctx, cancel := withTimeout(ctx, opts.Timeout)
	defer cancel()
	remote, err := list(ctx, src)
	if err != nil {
		return nil, err
	}
	l := &Listing{source: src, remote: remote, Tags: map[string]PeeledTag{}}
	for name, hash := range remote.refs {
		if !name.IsTag() {
			continue
		}
		tag := PeeledTag{Target: hash.String()}
		if target, ok := remote.peeled[name]; ok {
			tag = PeeledTag{Tag: hash.String(), Target: target.String()}
		}
		l.Tags[tagName(name)] = tag
	}
	if remote.head != nil && remote.head.Target().IsBranch() {
		l.DefaultBranch = remote.head.Target().Short()
	}
	return l, nil
}

// Open opens the repository with what was listed, as Open does otherwise. A
// remote one whose mirror is as listed costs no request, a changed one over http
// a single one: for the objects. A local repository is read as it stands now.
func (l *Listing) Open(ctx context.Context, opts Options) (*Repository, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.source.explain(err)
	}
	if l.source.Local {
		return openLocal(l.source, opts.Parents)
	}
	ctx, cancel := withTimeout(ctx, opts.Timeout)
	defer cancel()
	return openRemote(ctx, l.source, opts, l.remote)
}

func tagName(ref plumbing.ReferenceName) string {
	return strings.TrimPrefix(ref.String(), "refs/tags/")
}
