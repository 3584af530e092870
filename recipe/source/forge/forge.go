// Package forge lists the repositories of an organisation or a user of a Gitea or
// Forgejo server, by version 1 of its API (GET /orgs/{org}/repos and
// GET /users/{user}/repos).
//
// It refuses to write anything there, to send a token anywhere else than to the
// server it is for, and to take a server's word without a bound: pages, answers,
// waits and redirects are all limited.
package forge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// Repository is one repository as the server lists it. Its texts are the
// server's: names and addresses are checked by whoever uses them.
type Repository struct {
	Name     string // without the owner
	CloneURL string // http or https
	SSHURL   string
	Archived bool
	Empty    bool // has no commit
}

// Owner is an organisation or a user of a server.
type Owner struct {
	base *url.URL // of the server, without credentials and final slash
	name string
}

// ownerName is what Gitea and Forgejo allow, and a little more.
var ownerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Parse understands https://host/owner, and https://host/path/owner for a server
// below a path. Credentials do not belong into the address: see Options.Token.
func Parse(address string) (Owner, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return Owner{}, fault.New(fault.Usage, "expected the https address of an organisation or a user, as in https://git.example.org/recipes")
	}
	switch {
	case u.User != nil:
		return Owner{}, fault.New(fault.Usage, "the address has credentials in it; expected a token in a file")
	case u.RawQuery != "" || u.Fragment != "":
		return Owner{}, fault.New(fault.Usage, "address %q has a query or a fragment, expected neither", u.Redacted())
	}
	full := strings.Trim(u.Path, "/")
	at := strings.LastIndex(full, "/") + 1
	if !ownerName.MatchString(full[at:]) {
		return Owner{}, fault.New(fault.Usage, "address %q: expected an organisation or a user as its last part", u.Redacted())
	}
	base := &url.URL{Scheme: strings.ToLower(u.Scheme), Host: strings.ToLower(u.Host), Path: "/" + strings.Trim(full[:at], "/")}
	return Owner{base: base, name: full[at:]}, nil
}

// String is the owner's address, always the same for the same owner.
func (o Owner) String() string { return o.base.JoinPath(o.name).String() }

// Host is the server's, with its port when it has one.
func (o Owner) Host() string { return o.base.Host }

// Encrypted says that nobody on the way reads what is sent: https, or this machine.
func (o Owner) Encrypted() bool {
	host := o.base.Hostname()
	ip := net.ParseIP(host)
	return o.base.Scheme == "https" || host == "localhost" || ip != nil && ip.IsLoopback()
}

// Options say how a server is asked. The zero value is good for public ones.
type Options struct {
	// Token is an access token with the right to read repositories. It is sent in
	// a header, to the owner's server alone, and no text shows it.
	Token string
	// Timeout bounds the whole list, with its waits; 0 means DefaultTimeout. The
	// context's own deadline holds as well.
	Timeout time.Duration
	// Client is the one to use; its redirects are checked here.
	Client *http.Client
}

// DefaultTimeout bounds one owner's list.
const DefaultTimeout = 2 * time.Minute

// The bounds of one list.
const (
	pageSize     = 50 // the most that Gitea gives as it comes (MAX_RESPONSE_ITEMS)
	maxPages     = 1000
	maxAnswer    = 8 << 20   // bytes of a page; a repository takes about 6,000
	maxAnswers   = 256 << 20 // bytes of all pages
	maxRedirects = 5
)

// Repositories lists what the server shows to the token, in the server's order
// and each once. A list without end, or one that a server tells in circles, is an
// error: half a list would look as if the rest had been removed.
func (o Owner) Repositories(ctx context.Context, opts Options) ([]Repository, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(opts.Timeout, DefaultTimeout))
	defer cancel()
	c := newCaller(o, opts)
	defer c.client.CloseIdleConnections()
	list, err := c.all(ctx, "orgs")
	if errors.Is(err, errNotFound) {
		list, err = c.all(ctx, "users")
	}
	if errors.Is(err, errNotFound) {
		err = fault.Hint(fmt.Errorf("%w of %q", errNotFound, o.name),
			"check the name; a private organisation looks missing without a token")
	}
	if err != nil {
		return nil, fmt.Errorf("listing the repositories of %s: %w", o, err)
	}
	return list, nil
}

var errNotFound = errors.New("the server knows no organisation or user")

// all reads page after page. Pages may be shorter than asked for, or empty in the
// middle (Gitea leaves out what the token may not see after it cut the pages), so
// a short page is no end: the server's Link header is, or its X-Total-Count, or,
// without both, an empty page.
func (c *caller) all(ctx context.Context, kind string) ([]Repository, error) {
	var list []Repository
	seen := map[string]bool{}
	size := 0
	for page := 1; page <= maxPages; page++ {
		answer, err := c.page(ctx, kind, page)
		if err != nil {
			return nil, err
		}
		if size += answer.size; size > maxAnswers {
			return nil, fmt.Errorf("the list has more than %d bytes", maxAnswers)
		}
		fresh := 0
		for _, r := range answer.list {
			if seen[r.Name] {
				continue // one that was made meanwhile moves the others down
			}
			seen[r.Name] = true
			list = append(list, r)
			fresh++
		}
		switch {
		case answer.last(page):
			return list, nil
		case fresh == 0 && len(answer.list) > 0:
			return nil, fmt.Errorf("page %d of the list repeats what came before", page)
		}
	}
	return nil, fmt.Errorf("the list has more than %d pages", maxPages)
}
