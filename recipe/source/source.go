// Package source reads recipes' git repositories: local ones in place, remote
// ones through a bare mirror in a cache folder. It gives refs, versions (tags)
// and, per commit, the git tree as an fs.FS; nothing is ever checked out.
//
// It refuses to run anything: no git binary, no hook, no filter, no credential
// helper, no include or insteadOf of a repository's own config. go-git reads the
// objects, every object's bytes are checked against its hash, and a local
// repository is never written to.
package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// Source is where a repository is, as a location was understood.
type Source struct {
	// URL is the location for people and reports: an absolute path when Local,
	// else a URL without password or token.
	URL string
	// Local says that the repository is opened in place.
	Local bool

	dial    string   // what go-git dials: the URL with its credentials
	secrets []string // parts of dial that no text may show
}

// String is URL.
func (s Source) String() string { return s.URL }

// scpLike is the short form of an ssh URL: [user@]host:path, without a slash
// before the colon (git-clone(1), "GIT URLS").
var scpLike = regexp.MustCompile(`^(?:[A-Za-z0-9][^@:/\s]*@)?[A-Za-z0-9][^@:/\s]*:[^:\s][^\s]*$`)

// Parse understands an http, https, ssh, git or file URL, ssh's short form
// (git@host:path), and a local path, which wins where both could be meant.
func Parse(location string) (Source, error) {
	scheme, _, isURL := strings.Cut(location, "://")
	switch {
	case location == "" || strings.ContainsAny(location, "\x00\r\n"):
		return Source{}, usage("location %q is not a path or a URL", location)
	case !isURL && !exists(location) && scpLike.MatchString(location):
		return Source{URL: location, dial: location}, nil
	case !isURL && !exists(location) && strings.Contains(location, "::"):
		return Source{}, usage("location %q names a git helper program, which galley does not run", location)
	case !isURL:
		return local(location)
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "ssh", "git", "file":
		return parseURL(location)
	}
	return Source{}, usage("scheme %q of a git URL is not supported", scheme)
}

func parseURL(location string) (Source, error) {
	u, err := url.Parse(location)
	if err != nil {
		// The error of url.Parse would show the whole location.
		return Source{}, usage("git URL does not parse, it starts with %q", location[:strings.Index(location, "://")+3])
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	shown := *u
	shown.User, shown.RawQuery, shown.Fragment = shownUser(u), "", ""
	switch {
	case u.RawQuery != "" || u.Fragment != "":
		return Source{}, usage("git URL %q has a query or a fragment, expected neither", shown.String())
	case u.Scheme == "file" && u.Host != "" && u.Host != "localhost":
		return Source{}, usage("file URL %q names the host %q, expected none", shown.String(), u.Host)
	case u.Scheme == "file":
		return local(u.Path)
	case u.Host == "" || strings.Trim(u.Path, "/") == "":
		return Source{}, usage("git URL %q has no host or no path", shown.String())
	}
	return Source{URL: shown.String(), dial: u.String(), secrets: secretsOf(u)}, nil
}

// parseWith adds the options' token to a location that has no credentials.
func parseWith(location string, opts Options) (Source, error) {
	src, err := Parse(location)
	if err != nil || opts.Token == "" || !src.isWeb() {
		return src, err
	}
	u, err := url.Parse(src.dial)
	if err != nil || u.User != nil {
		return src, nil
	}
	u.User = url.UserPassword(tokenUser, opts.Token) // forges look at the password
	src.dial, src.secrets = u.String(), secretsOf(u)
	return src, nil
}

const tokenUser = "galley"

// shownUser keeps the user name of an ssh URL, which is part of the address.
// Elsewhere it may be a token.
func shownUser(u *url.URL) *url.Userinfo {
	if u.Scheme != "ssh" || u.User == nil {
		return nil
	}
	return url.User(u.User.Username())
}

func secretsOf(u *url.URL) []string {
	if u.User == nil {
		return nil
	}
	password, hasPassword := u.User.Password()
	if hasPassword {
		return nonEmpty(u.User.String(), password, url.QueryEscape(password), url.PathEscape(password))
	}
	if u.Scheme == "ssh" {
		return nil
	}
	return nonEmpty(u.User.String(), u.User.Username())
}

func nonEmpty(texts ...string) []string {
	var kept []string
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return kept
}

func local(location string) (Source, error) {
	abs, err := filepath.Abs(location)
	if err != nil {
		return Source{}, fmt.Errorf("finding the absolute path of %q: %w", location, err)
	}
	return Source{URL: abs, Local: true}, nil
}

// mirrorName is the folder of the source's mirror in a cache: readable, and
// distinct for each address. Credentials are no part of it, so that a new token
// does not mean a new clone; the server is asked with the caller's own each time.
func (s Source) mirrorName() string {
	address := strings.TrimRight(s.URL, "/")
	sum := sha256.Sum256([]byte(address))
	name := strings.TrimSuffix(path.Base(strings.ReplaceAll(address, ":", "/")), ".git")
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
	return fmt.Sprintf("%.60s-%s.git", name, hex.EncodeToString(sum[:8]))
}

func exists(location string) bool {
	_, err := os.Lstat(location)
	return err == nil
}

func usage(format string, args ...any) error {
	return fault.Hint(fault.New(fault.Usage, format, args...),
		"give a local path, or an https, http, ssh or git URL of a git repository")
}
