package restic

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// Problem is what kept restic from doing what was asked. The zero one is any that
// is not told apart.
type Problem int

// The problems that are told apart.
const (
	Other         Problem = iota
	NotInstalled          // there is no such program
	TooOld                // restic is older than Least
	NoPassword            // no password is given, or it cannot be had
	WrongPassword         // no key of the repository opens with it
	NoRepository          // there is none at the URL
	AlreadyThere          // there is one, and it was to be made
	Unreachable           // the backend does not answer
	Denied                // the backend answers, and lets us not
	NoSpace               // the backend is full
	Locked                // somebody else works in the repository
	Stalled               // nothing moved for too long
	Damaged               // what was read is not what was written
	NotThere              // there is no such snapshot, or file in it
)

// Error is a request to restic that failed. Its text is one line, without
// credentials.
type Error struct {
	Problem Problem
	text    string
	cause   error
}

func (e *Error) Error() string { return e.text }

// Unwrap is the error of the process.
func (e *Error) Unwrap() error { return e.cause }

// Is tells that err is of restic and of this problem.
func Is(err error, p Problem) bool {
	var e *Error
	return errors.As(err, &e) && e.Problem == p
}

// marks are parts of what restic and its backends say, the more telling before the
// others.
var marks = []struct {
	problem Problem
	says    []string
}{
	{Locked, []string{"already locked"}},
	{NoSpace, []string{"no space left on device", "disk quota exceeded", "insufficient storage", "file too large"}},
	{WrongPassword, []string{"wrong password or no key found"}},
	{NoPassword, []string{"resolving password failed", "an empty password is not a password"}},
	{AlreadyThere, []string{"config file already exists", "already initialized", "already contains keys"}},
	{Unreachable, []string{
		"connection refused", "no such host", "i/o timeout", "network is unreachable", "no route to host", "connection reset",
		"connection timed out", "tls handshake", "x509:", "deadline exceeded", "unable to start the sftp session", "server misbehaving",
		"name resolution", "connection closed", "broken pipe", "bad gateway", "service unavailable", "could not resolve",
	}},
	{Denied, []string{"permission denied", "access denied", "accessdenied", "unauthorized", "forbidden", "read-only file system", "invalidaccesskeyid", "signaturedoesnotmatch"}},
	{NoRepository, []string{"is there a repository at the following location", "repository does not exist"}},
	{Damaged, []string{
		"ciphertext verification failed", "does not match id", "invalid data returned", "repository contains errors", "not found in index",
		"not found in the index", "hash mismatch", "wrong hash", "unexpected eof", "ciphertext is too short", "repository is damaged", "invalid header",
	}},
	{NotThere, []string{"no matching id found", "not found in snapshot", "no snapshot found", "multiple ids with prefix"}},
}

// codes are exit codes that newer versions have (restic's manual, "Exit codes").
var codes = map[int]Problem{10: NoRepository, 11: Locked, 12: WrongPassword}

func problemOf(said string, code int) Problem {
	low := strings.ToLower(said)
	for _, mark := range marks {
		for _, part := range mark.says {
			if strings.Contains(low, part) {
				return mark.problem
			}
		}
	}
	return codes[code]
}

// failed is the error of a child that did not do its work.
func (r *Repository) failed(doing string, c *child, patience time.Duration, err error) error {
	stalled := errors.Is(err, errStalled)
	if c.cause.Load() != nil && !stalled { // the context's, of who reads or of who feeds it
		return fmt.Errorf("%s: %w", doing, err)
	}
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	said := c.errs.String()
	short := newMask(r.URL, c.cmd.Env).text(plain(said))
	problem := problemOf(said, code)
	switch {
	case stalled:
		if problem != Unreachable && problem != NoSpace {
			problem = Stalled
		}
		short = strings.TrimSuffix(fmt.Sprintf("no progress for %v: %s", patience, short), ": ")
	case short == "":
		short = err.Error()
	}
	return r.hint(&Error{problem, fmt.Sprintf("%s in %s: restic: %s", doing, r.Location(), short), err})
}

func (r *Repository) hint(e *Error) error {
	switch e.Problem {
	case NoPassword:
		return fault.Hint(e, "name a file that has the repository's password with --password-file")
	case WrongPassword:
		return fault.Hint(e, "the repository was made with another password; name the file that has it with --password-file")
	case NoRepository:
		return fault.Hint(e, "galley app backup init makes one")
	case AlreadyThere:
		return fault.Hint(e, "use it as it is, or name another place with --repository")
	case Unreachable, Stalled:
		return fault.Hint(e, "see whether %s can be reached from here, and how fast", r.Location())
	case Denied:
		return fault.Hint(e, "see whether the credentials for %s, or the rights of its files, are right", r.Location())
	case NoSpace:
		return fault.Hint(e, "make room there; galley app backup prune removes old backups")
	case Locked:
		return fault.Hint(e, "wait until the other one is done; restic unlock removes locks whose holders are gone")
	case Damaged:
		return fault.Hint(e, "restic check tells more; keep the repository as it is until you know what broke")
	}
	return e
}

func (r *Repository) cannotStart(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		err := &Error{NotInstalled, fmt.Sprintf("the program %q is not here, which keeps the backups", r.program()), err}
		return fault.Hint(err, "apt install restic")
	}
	return fmt.Errorf("starting %q: %w", r.program(), err)
}

// trace is a line of a stack that restic prints with some errors.
var trace = regexp.MustCompile(`^(\s|[\w./-]+\.(\(\*?\w+\)\.)?[\w.]+$)`)

// plain is what restic said, in one line: fatal errors alone where there are some.
// It does not cut: masking comes before that.
func plain(said string) string {
	var all, fatal []string
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || trace.MatchString(line) || strings.HasPrefix(line, "\x1b") {
			continue
		}
		line = fromJSON(line)
		if rest, ok := strings.CutPrefix(line, "Fatal: "); ok {
			line = rest
			fatal = append(fatal, rest)
		}
		all = append(all, line)
	}
	if len(fatal) > 0 {
		all = fatal
	}
	return strings.Join(strings.Fields(strings.Join(all, "; ")), " ")
}

// fromJSON is the message of a line that newer versions write as JSON.
func fromJSON(line string) string {
	var said struct {
		Message string `json:"message"`
		Item    string `json:"item"`
		Error   struct {
			Message string `json:"message"`
			Op      string
		} `json:"error"`
	}
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &said) != nil {
		return line
	}
	if said.Message != "" {
		return said.Message
	}
	if said.Error.Message == "" && said.Error.Op != "" {
		said.Error.Message = "failed to " + said.Error.Op
	}
	return strings.TrimPrefix(said.Item+": "+said.Error.Message, ": ")
}

// clip bounds a text, at its end.
func clip(s string) string {
	const most = 400
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
