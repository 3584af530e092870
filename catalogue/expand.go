package catalogue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/recipe/source/forge"
)

// ExpandOptions say how lists are read. The zero value is good.
type ExpandOptions struct {
	// Timeout bounds each list; 0 means forge.DefaultTimeout.
	Timeout time.Duration
	// Client asks servers; nil means one of its own for each list.
	Client *http.Client
	// Skipped, which may be nil, is told what lists name and no recipe comes of, in
	// a stable order, before Expand returns.
	Skipped func(ListSkip)
}

// ListFailure is a list that could not be read: nobody knows what is in it now,
// so what was published of it stays.
type ListFailure struct {
	Location string // the list's; Source.List is the same
	Err      error
}

// ListSkip is one repository of a list that is left out, and why.
type ListSkip struct {
	Location string // the list's
	Name     string
	Reason   string
}

// maxListsAtOnce is how many lists are read at the same time.
const maxListsAtOnce = 8

// Expand gives the sources that are configured one by one and those that the
// lists name now, by recipe name. A name that is configured by itself hides the
// same name in a list; of two lists the first one has it. What include and
// exclude leave out is not reported: it was meant.
func (c Config) Expand(ctx context.Context, opts ExpandOptions) ([]Source, []ListFailure) {
	read := make([]expansion, len(c.Lists))
	var group errgroup.Group
	group.SetLimit(maxListsAtOnce)
	for i, l := range c.Lists {
		group.Go(func() error {
			limited, cancel := context.WithTimeout(ctx, cmp.Or(opts.Timeout, forge.DefaultTimeout))
			defer cancel()
			read[i] = l.expand(limited, opts)
			return nil
		})
	}
	_ = group.Wait() // each expansion has its own error
	return c.merge(read, opts.Skipped)
}

func (c Config) merge(read []expansion, skipped func(ListSkip)) ([]Source, []ListFailure) {
	sources := slices.Clone(c.Sources)
	from := map[string]string{}
	for _, s := range sources {
		from[s.Name] = ""
	}
	var failures []ListFailure
	for i, e := range read {
		location := c.Lists[i].Location()
		if e.err != nil {
			failures = append(failures, ListFailure{location, e.err})
			continue
		}
		for _, s := range e.sources {
			first, taken := from[s.Name]
			if taken && first != "" {
				e.skip(s.Name, fmt.Sprintf("the list %q gives a recipe of that name first", first))
			}
			if !taken {
				from[s.Name] = location
				sources = append(sources, s)
			}
		}
		for _, s := range e.skipped {
			if skipped != nil {
				skipped(ListSkip{location, cleanLine(s.Name, maxName), cleanLine(s.Reason, maxLine)})
			}
		}
	}
	slices.SortFunc(sources, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return sources, failures
}

// expansion is what one list gives.
type expansion struct {
	sources []Source // by name
	skipped []ListSkip
	err     error
}

func (e *expansion) skip(name, reason string) {
	e.skipped = append(e.skipped, ListSkip{Name: name, Reason: reason})
}

func (l List) expand(ctx context.Context, opts ExpandOptions) expansion {
	var e expansion
	var found int
	if l.Gitea != "" {
		found, e.err = l.expandGitea(ctx, opts, &e)
	} else {
		found, e.err = l.expandFolder(ctx, &e)
	}
	// A disk that is not mounted, or a token that lost its rights, looks like a list
	// without anything, and not like a hundred recipes that were given up at once.
	if e.err == nil && found == 0 {
		e.err = fault.Hint(errors.New("there is no git repository in it"),
			"check the location, or take the list out; a private organisation looks empty without a token")
	}
	e.dropTwins()
	return e
}

// dropTwins leaves the first of several repositories of one name, such as web and
// web.git in a folder.
func (e *expansion) dropTwins() {
	slices.SortStableFunc(e.sources, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	e.sources = slices.CompactFunc(e.sources, func(later, before Source) bool {
		if later.Name == before.Name {
			e.skip(later.Name, fmt.Sprintf("%s is of that name too", filepath.Base(before.Location())))
		}
		return later.Name == before.Name
	})
}

// add takes one repository that the list names, when its name is wanted.
func (l List) add(e *expansion, s Source) {
	if !l.wants(s.Name) {
		return
	}
	if err := recipe.ValidRecipeName(s.Name); err != nil {
		e.skip(s.Name, err.Error())
		return
	}
	s.List, s.Compose, s.Gate, s.Signers = l.Location(), l.Compose, l.Gate, l.Signers
	e.sources = append(e.sources, s)
}

func (l List) wants(name string) bool {
	matches := func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil // ParseConfig refused what does not parse
	}
	return (len(l.Include) == 0 || slices.ContainsFunc(l.Include, matches)) && !slices.ContainsFunc(l.Exclude, matches)
}

// maxInFolder bounds what is read of one folder.
const maxInFolder = 200_000

// expandFolder takes every folder in l.Folder that is a repository. Hidden ones
// are not looked at.
func (l List) expandFolder(ctx context.Context, e *expansion) (found int, err error) {
	entries, err := os.ReadDir(l.Folder)
	if err != nil {
		return 0, fault.Hint(fmt.Errorf("listing the repositories of a folder: %w", err), "check the path")
	}
	if len(entries) > maxInFolder {
		return 0, fmt.Errorf("%s has more than %d entries", l.Folder, maxInFolder)
	}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("listing the repositories of %s: %w", l.Folder, err)
		}
		dir := filepath.Join(l.Folder, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") || !source.IsRepository(dir) {
			continue
		}
		found++
		l.add(e, Source{Name: strings.TrimSuffix(entry.Name(), ".git"), Path: dir})
	}
	return found, nil
}

// expandGitea takes every repository that a server lists, but for those that are
// archived or empty.
func (l List) expandGitea(ctx context.Context, opts ExpandOptions, e *expansion) (found int, err error) {
	owner, err := forge.Parse(l.Gitea)
	if err != nil {
		return 0, err
	}
	token, err := readToken(l.TokenFile)
	if err != nil {
		return 0, err
	}
	list, err := owner.Repositories(ctx, forge.Options{Token: token, Timeout: opts.Timeout, Client: opts.Client})
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		switch {
		case !l.wants(r.Name):
		case r.Archived:
			e.skip(r.Name, "it is archived")
		case r.Empty:
			e.skip(r.Name, "it is empty")
		default:
			l.addRemote(e, owner, r, token)
		}
	}
	return len(list), nil
}

// addRemote takes a repository of a server, at the address that the server gave.
// That must be a remote one: a server does not decide which local folders are
// published.
func (l List) addRemote(e *expansion, owner forge.Owner, r forge.Repository, token string) {
	address, schemes := r.CloneURL, []string{"https", "http"}
	if l.Transport == transportSSH {
		address, schemes = r.SSHURL, []string{"ssh"}
	}
	parsed, err := source.Parse(address)
	scheme, _, isURL := strings.Cut(parsed.URL, "://")
	switch {
	case err != nil:
		e.skip(r.Name, err.Error())
		return
	case parsed.Local, isURL && !slices.Contains(schemes, scheme), !isURL && l.Transport != transportSSH:
		e.skip(r.Name, fmt.Sprintf("the server gives %q as its address for %s", parsed.URL, l.Transport))
		return
	}
	s := Source{Name: r.Name, Git: parsed.URL}
	if at, err := forge.Parse(s.Git); err == nil && token != "" && at.Host() == owner.Host() && at.Encrypted() {
		s.token = (*secret)(&token) // and to no other host
	}
	l.add(e, s)
}

// maxToken bounds a file with a token, in bytes.
const maxToken = 4 << 10

// readToken reads a file that holds a token and is its owner's alone.
func readToken(name string) (_ string, err error) {
	if name == "" {
		return "", nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fault.Hint(fmt.Errorf("reading the token: %w", err), "put the token into that file, alone, with mode 0600")
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the token: %w", err)
	case !info.Mode().IsRegular():
		return "", fault.New(fault.Usage, "reading the token: %s is no file", name)
	case info.Mode().Perm()&0o077 != 0:
		err := fault.New(fault.Usage, "reading the token: %s has mode %04o, so that others can read it", name, info.Mode().Perm())
		return "", fault.Hint(err, "chmod 600 %s", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || len(data) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fault.New(fault.Usage, "reading the token: %s does not hold one; expected one word", name)
	}
	return token, nil
}
