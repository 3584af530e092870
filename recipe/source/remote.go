package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// refList is what a remote says of itself.
type refList struct {
	refs   map[plumbing.ReferenceName]plumbing.Hash // branches and tags
	peeled map[plumbing.ReferenceName]plumbing.Hash // what annotated tags lead to
	head   *plumbing.Reference                      // nil when the remote has no commits
	can    *capability.List                         // what the server offers for a fetch

	// session is where the fetch goes on. Only http's is kept: it holds no
	// connection, and knows where the listing was redirected to.
	session transport.UploadPackSession
}

// web is how http and https are spoken: as go-git does, but with connections
// kept for more than two requests at once to the same host.
var web = sync.OnceValue(func() transport.Transport {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = 16
	return githttp.NewClient(&http.Client{Transport: base})
})

// dialer prepares a session; the URL with its credentials stays in memory.
func (s Source) dialer() (transport.UploadPackSession, error) {
	endpoint, err := transport.NewEndpoint(s.dial)
	if err != nil {
		return nil, err
	}
	if s.isWeb() {
		return web().NewUploadPackSession(endpoint, nil)
	}
	speaker, err := client.NewClient(endpoint)
	if err != nil {
		return nil, err
	}
	return speaker.NewUploadPackSession(endpoint, nil)
}

func (s Source) isWeb() bool {
	return strings.HasPrefix(s.dial, "http://") || strings.HasPrefix(s.dial, "https://")
}

// list asks a remote for its refs: one round trip.
func list(ctx context.Context, src Source) (refList, error) {
	var listed refList
	err := await(ctx, func() (err error) {
		session, err := src.dialer()
		if err != nil {
			return err
		}
		defer func() { _ = session.Close() }() // after the answer; http's closes nothing
		listed, err = advertised(ctx, session)
		if src.isWeb() {
			listed.session = session
		}
		return err
	})
	if err != nil {
		return refList{}, src.explain(err)
	}
	return listed, nil
}

func advertised(ctx context.Context, session transport.UploadPackSession) (refList, error) {
	listed := refList{refs: map[plumbing.ReferenceName]plumbing.Hash{}, peeled: map[plumbing.ReferenceName]plumbing.Hash{}}
	answer, err := session.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return listed, nil
	}
	if err != nil {
		return refList{}, err
	}
	if len(answer.References) > maxRefs {
		return refList{}, fmt.Errorf("more than %d refs", maxRefs)
	}
	for name, hash := range answer.References {
		// git ignores names that it would not make, too.
		if name := plumbing.ReferenceName(name); (name.IsBranch() || name.IsTag()) && name.Validate() == nil {
			listed.refs[name] = hash
		}
	}
	for name, hash := range answer.Peeled {
		if name := plumbing.ReferenceName(name); name.IsTag() {
			listed.peeled[name] = hash
		}
	}
	listed.can = answer.Capabilities
	if answer.Head != nil {
		listed.head = listed.findHead(*answer.Head)
	}
	return listed, nil
}

// findHead is the branch that the server says HEAD is, or one with its commit:
// an old server does not say. A detached HEAD is the commit itself.
func (l refList) findHead(commit plumbing.Hash) *plumbing.Reference {
	for _, symref := range l.can.Get(capability.SymRef) {
		if target, ok := strings.CutPrefix(symref, "HEAD:"); ok {
			return plumbing.NewSymbolicReference(plumbing.HEAD, plumbing.ReferenceName(target))
		}
	}
	candidates := append([]plumbing.ReferenceName{plumbing.Main, plumbing.Master}, slices.Sorted(maps.Keys(l.refs))...)
	for _, name := range candidates {
		if l.refs[name] == commit && name.IsBranch() {
			return plumbing.NewSymbolicReference(plumbing.HEAD, name)
		}
	}
	return plumbing.NewHashReference(plumbing.HEAD, commit)
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
