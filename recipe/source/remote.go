package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/memory"
)

// PeeledTag is a tag as a remote lists it. What it leads to is not looked at: it
// may be no commit.
type PeeledTag struct {
	Tag    string // hash of the tag object, "" when the tag is lightweight
	Target string // hash of what the tag leads to; "" when a local one leads to no commit
}

// Remote lists the tags of a repository, by name, in one round trip and without
// a mirror: enough to see whether a tag moved. A local location is opened.
func Remote(ctx context.Context, location string) (map[string]PeeledTag, error) {
	src, err := Parse(location)
	if err != nil {
		return nil, err
	}
	if src.Local {
		return localTags(ctx, src)
	}
	ctx, cancel := withTimeout(ctx, 0)
	defer cancel()
	listed, err := list(ctx, src)
	if err != nil {
		return nil, err
	}
	tags := map[string]PeeledTag{}
	for name, hash := range listed.refs {
		if !name.IsTag() {
			continue
		}
		tag := PeeledTag{Target: hash.String()}
		if target, ok := listed.peeled[name]; ok {
			tag = PeeledTag{Tag: hash.String(), Target: target.String()}
		}
		tags[tagName(name)] = tag
	}
	return tags, nil
}

func localTags(ctx context.Context, src Source) (map[string]PeeledTag, error) {
	repo, err := openLocal(src, false)
	if err != nil {
		return nil, err
	}
	versions, err := repo.Versions(ctx)
	if err != nil {
		return nil, errors.Join(err, repo.Close())
	}
	tags := make(map[string]PeeledTag, len(versions))
	for _, v := range versions {
		tags[v.Name] = PeeledTag{Tag: v.Tag, Target: v.Commit}
	}
	return tags, repo.Close()
}

func tagName(ref plumbing.ReferenceName) string {
	return strings.TrimPrefix(ref.String(), "refs/tags/")
}

// refList is what a remote says of itself.
type refList struct {
	refs   map[plumbing.ReferenceName]plumbing.Hash // branches and tags
	peeled map[plumbing.ReferenceName]plumbing.Hash // what annotated tags lead to
	head   *plumbing.Reference                      // nil when the remote has no commits
}

func list(ctx context.Context, src Source) (refList, error) {
	listed := refList{refs: map[plumbing.ReferenceName]plumbing.Hash{}, peeled: map[plumbing.ReferenceName]plumbing.Hash{}}
	var refs []*plumbing.Reference
	err := await(ctx, func() (err error) {
		refs, err = src.remote(memory.NewStorage()).ListContext(ctx, &git.ListOptions{PeelingOption: git.AppendPeeled})
		return err
	})
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return listed, nil
	}
	if err != nil {
		return refList{}, src.explain(err)
	}
	if len(refs) > maxRefs {
		return refList{}, fmt.Errorf("fetching %q: more than %d refs", src, maxRefs)
	}
	for _, ref := range refs {
		listed.add(ref)
	}
	return listed, nil
}

func (l *refList) add(ref *plumbing.Reference) {
	name := ref.Name()
	if name == plumbing.HEAD {
		l.head = ref
		return
	}
	if !name.IsBranch() && !name.IsTag() {
		return
	}
	if tag, ok := strings.CutSuffix(name.String(), "^{}"); ok {
		l.peeled[plumbing.ReferenceName(tag)] = ref.Hash()
		return
	}
	l.refs[name] = ref.Hash()
}

// remote is nothing that is stored: the URL with its credentials stays in memory.
func (s Source) remote(storer storage.Storer) *git.Remote {
	return git.NewRemote(storer, &config.RemoteConfig{Name: git.DefaultRemoteName, URLs: []string{s.dial}})
}

func withTimeout(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		limit = DefaultTimeout
	}
	return context.WithTimeout(ctx, limit)
}

// abandonAfter is how long a call that was told to stop may take to do so.
const abandonAfter = time.Second

// await runs a call of go-git that needs the network, and returns soon after ctx
// is done. go-git dials for ssh:// and git:// without the context; such a call is
// left behind, and ends without an effect: its next step asks the context.
func await(ctx context.Context, call func() error) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer catch(&err)
		err = call()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(abandonAfter):
	}
	return ctx.Err()
}
