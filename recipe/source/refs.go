package source

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/galley-coop/galley/internal/fault"
)

// lookup follows symbolic refs to a hash.
func (r *Repository) lookup(name plumbing.ReferenceName) (plumbing.Hash, bool) {
	return resolve(name, func(name plumbing.ReferenceName) (*plumbing.Reference, bool) {
		ref, ok := r.refs[name]
		return ref, ok
	})
}

func resolve(name plumbing.ReferenceName, lookup func(plumbing.ReferenceName) (*plumbing.Reference, bool)) (plumbing.Hash, bool) {
	for range maxPeel + 1 {
		ref, ok := lookup(name)
		if !ok {
			return plumbing.ZeroHash, false
		}
		if ref.Type() == plumbing.HashReference {
			return ref.Hash(), true
		}
		name = ref.Target()
	}
	return plumbing.ZeroHash, false
}

// Head is the commit that HEAD stands for and the branch it names, "" when it is
// detached. The error is ErrNoCommits when that branch has no commit.
func (r *Repository) Head(ctx context.Context) (commit, branch string, err error) {
	head, ok := r.refs[plumbing.HEAD]
	if ok && head.Type() == plumbing.SymbolicReference {
		branch = head.Target().Short()
	}
	hash, ok := r.lookup(plumbing.HEAD)
	if !ok {
		err := fmt.Errorf("finding HEAD of %q: %w on branch %q", r.source, ErrNoCommits, branch)
		return "", branch, fault.Hint(err, "commit the recipe first")
	}
	p, err := r.peel(ctx, hash)
	if err != nil {
		return "", branch, fmt.Errorf("finding HEAD of %q: %w", r.source, err)
	}
	return p.commit.Hash.String(), branch, nil
}

// DefaultBranch is the branch that a clone would have checked out: what the
// remote of a local clone named, else the branch of HEAD, else main or master.
func (r *Repository) DefaultBranch() (string, error) {
	name, ok := defaultBranch(func(name plumbing.ReferenceName) (*plumbing.Reference, bool) {
		ref, ok := r.refs[name]
		return ref, ok
	})
	if !ok {
		return "", fault.Hint(fmt.Errorf("finding the default branch of %q: %w", r.source, ErrNoCommits), "commit the recipe first")
	}
	return name, nil
}

func defaultBranch(lookup func(plumbing.ReferenceName) (*plumbing.Reference, bool)) (string, bool) {
	const origin = "refs/remotes/origin/"
	if ref, ok := lookup(origin + "HEAD"); ok && ref.Type() == plumbing.SymbolicReference {
		if name, ok := strings.CutPrefix(ref.Target().String(), origin); ok {
			return name, true
		}
	}
	candidates := []plumbing.ReferenceName{plumbing.Main, plumbing.Master}
	if head, ok := lookup(plumbing.HEAD); ok && head.Target().IsBranch() {
		candidates = append([]plumbing.ReferenceName{head.Target()}, candidates...)
	}
	for _, name := range candidates {
		if _, ok := resolve(name, lookup); ok {
			return name.Short(), true
		}
	}
	return "", false
}

// revisionPrefixes are tried in git's order (gitrevisions(7)), without what
// would need a work tree or a reflog.
var revisionPrefixes = []string{"", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/", "refs/remotes/origin/"}

var (
	fullHash  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	shortHash = regexp.MustCompile(`^[0-9a-f]{7,39}$`)
)

// Resolve finds the commit, as 40 hexadecimal digits, that a revision names: a
// full hash, a ref in full or short (tag before branch), HEAD, or the first seven
// or more digits of a commit's hash; each may be followed by ~N and ^N, for
// ancestors and parents (gitrevisions(7)). A reflog's @{…} is not understood.
func (r *Repository) Resolve(ctx context.Context, rev string) (string, error) {
	name, steps := rev, ""
	if parts := ancestry.FindStringSubmatch(rev); parts != nil {
		name, steps = parts[1], parts[2]
	}
	hash, err := r.find(name)
	if err != nil {
		return "", err
	}
	p, err := r.peel(ctx, hash)
	for _, step := range ancestryStep.FindAllStringSubmatch(steps, -1) {
		if err == nil {
			p, err = r.ancestor(ctx, p, step[1] == "^", step[2])
		}
	}
	if err != nil {
		return "", fmt.Errorf("resolving %q: %w", rev, err)
	}
	return p.commit.Hash.String(), nil
}

var (
	ancestry     = regexp.MustCompile(`^(.+?)((?:[~^][0-9]{0,5})+)$`)
	ancestryStep = regexp.MustCompile(`([~^])([0-9]*)`)
)

// ancestor goes to the nth parent, or n times to the first parent. Without a
// number n is 1.
func (r *Repository) ancestor(ctx context.Context, from peeled, parent bool, digits string) (peeled, error) {
	n := 1
	if digits != "" {
		n, _ = strconv.Atoi(digits) // at most five digits
	}
	at, which, times := from, 1, n
	if parent {
		which, times = n, min(n, 1)
	}
	for range times {
		if len(at.commit.ParentHashes) < which {
			return at, fault.Hint(fmt.Errorf("commit %.10s has %d parents", at.commit.Hash, len(at.commit.ParentHashes)),
				"go back less far; a shallow clone has no more")
		}
		var err error
		if at, err = r.peel(ctx, at.commit.ParentHashes[which-1]); err != nil {
			return at, err
		}
	}
	return at, nil
}

func (r *Repository) find(rev string) (plumbing.Hash, error) {
	if fullHash.MatchString(rev) {
		return plumbing.NewHash(rev), nil
	}
	if rev != "" {
		for _, prefix := range revisionPrefixes {
			if hash, ok := r.lookup(plumbing.ReferenceName(prefix + rev)); ok {
				return hash, nil
			}
		}
	}
	if shortHash.MatchString(rev) {
		return r.expand(rev)
	}
	return plumbing.ZeroHash, r.unknown(rev)
}

// expand finds the one commit whose hash starts with digits.
func (r *Repository) expand(digits string) (plumbing.Hash, error) {
	prefix, err := hex.DecodeString(digits[:len(digits)&^1])
	if err != nil {
		return plumbing.ZeroHash, r.unknown(digits)
	}
	candidates, err := r.withPrefix(prefix)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("resolving %q: %w", digits, r.source.clean(err))
	}
	found := plumbing.ZeroHash
	for _, hash := range candidates {
		if !strings.HasPrefix(hash.String(), digits) || hash == found {
			continue
		}
		obj, err := r.read(hash, limitAll)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if obj.Type() != plumbing.CommitObject {
			continue
		}
		if !found.IsZero() {
			return plumbing.ZeroHash, fault.Hint(fmt.Errorf("resolving %q: it begins more than one commit's hash", digits), "give more digits")
		}
		found = hash
	}
	if found.IsZero() {
		return plumbing.ZeroHash, r.unknown(digits)
	}
	return found, nil
}

func (r *Repository) withPrefix(prefix []byte) (found []plumbing.Hash, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer catch(&err)
	found, err = r.storer.HashesWithPrefix(prefix)
	for _, s := range r.borrowed {
		more, e := s.HashesWithPrefix(prefix)
		found, err = append(found, more...), errors.Join(err, e)
	}
	return found, err
}

func (r *Repository) unknown(rev string) error {
	return fault.Hint(fmt.Errorf("resolving %q in %q: %w", rev, r.source, ErrUnknownRevision),
		"give a tag, a branch or a commit's hash")
}
