package source

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/galley-coop/galley/internal/fault"
)

// What callers may want to tell apart, with errors.Is.
var (
	// ErrNotRepository: the path is there and no git repository is.
	ErrNotRepository = errors.New("not a git repository")
	// ErrNoCommits: the repository, or the branch HEAD names, has no commit yet.
	ErrNoCommits = errors.New("repository has no commits")
	// ErrNoTags is for callers that need a version: Versions returns none and no error.
	ErrNoTags = errors.New("repository has no tags")
	// ErrUnknownRevision: no ref and no commit has that name.
	ErrUnknownRevision = errors.New("unknown revision")
	// ErrCorrupt: an object is missing, unreadable, or not what its hash says.
	ErrCorrupt = errors.New("corrupt git object")
	// ErrAuthentication: the server wants other credentials, or any.
	ErrAuthentication = errors.New("authentication required")
)

// maxText bounds, in bytes, what is quoted of an error that a server worded.
const maxText = 300

// cleanError shows a text without secrets, and keeps the error for errors.Is.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }

// clean makes one line of err's text, without the source's secrets and without
// characters that a server could play a terminal with.
func (s Source) clean(err error) error {
	text := err.Error()
	if s.dial != "" {
		text = strings.ReplaceAll(text, s.dial, s.URL)
	}
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return &cleanError{text, err}
}

// explain turns what a transport reports into one line that names the source,
// with the next step.
func (s Source) explain(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("fetching %q: %w", s.URL, context.Canceled)
	case isTimeout(err):
		return fault.Hint(fmt.Errorf("fetching %q: no answer in time: %w", s.URL, context.DeadlineExceeded),
			"try again, or allow more time")
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return fault.Hint(fmt.Errorf("fetching %q: %w", s.URL, ErrAuthentication),
			"use an ssh URL with a key in your ssh agent, or a token in the URL; a misspelt URL can look like this too")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fault.Hint(fmt.Errorf("fetching %q: %w", s.URL, ErrNotRepository),
			"check the URL; a private repository may look missing to strangers")
	}
	return fault.Hint(fmt.Errorf("fetching %q: %w", s.URL, s.clean(err)), "%s", hintFor(err))
}

func hintFor(err error) string {
	var key *knownhosts.KeyError
	var unknownCA x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var network *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &key) && len(key.Want) == 0:
		return "connect once with ssh, so that the server's key is in known_hosts"
	case errors.As(err, &key):
		return "the server's ssh key is not the one in known_hosts: ask its operator why"
	case errors.As(err, &unknownCA), errors.As(err, &wrongHost):
		return "the server's certificate is not trusted for this address"
	case strings.Contains(err.Error(), "SSH_AUTH_SOCK"), strings.Contains(err.Error(), "unable to authenticate"):
		return "start an ssh agent that holds a key the server knows"
	case errors.As(err, &dns), errors.As(err, &network):
		return "the host cannot be reached: check the URL and the network"
	}
	return "check that the URL is that of a git repository"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// explainOpen words what go-git says of a repository on disk.
func (s Source) explainOpen(err error) error {
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return s.notRepository()
	}
	hint := "check it with: git -C <path> fsck"
	if errors.Is(err, git.ErrUnknownExtension) || errors.Is(err, git.ErrUnsupportedRepositoryFormatVersion) ||
		errors.Is(err, git.ErrUnsupportedExtensionRepositoryFormatVersion) {
		hint = "use a plain clone: sha256, reftable, partial and sparse repositories cannot be read"
	}
	return fault.Hint(fmt.Errorf("opening git repository %q: %w", s.URL, s.clean(err)), "%s", hint)
}

func (s Source) notRepository() error {
	return fault.Hint(fmt.Errorf("opening %q: %w", s.URL, ErrNotRepository),
		"give the top folder of a work tree, a bare repository, or a URL")
}
