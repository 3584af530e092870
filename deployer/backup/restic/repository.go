// Package restic drives the restic program: it stores streams in a repository,
// reads them back and looks after the repository. Debian's 0.14 is the least
// version.
//
// It refuses to know what is stored, to link restic in, and to let a stream that
// was cut off become a snapshot: restic takes the end of its input for the end of
// the file, whoever wrote it, so it is ended before its input is.
package restic

import (
	"cmp"
	"context"
	"os"
	"strings"
	"time"
)

// Least is the lowest version of restic that is driven.
const Least = "0.14"

const (
	// defaultPatience is how long a request may make no progress.
	defaultPatience = 10 * time.Minute
	// askPart is the part of the patience that small requests have: those whose
	// answer is a few kilobytes.
	askPart = 5
	// defaultLockWait bounds how long somebody else's lock is waited for.
	defaultLockWait = 5 * time.Minute
	// startLimit is how long restic has to tell its version.
	startLimit = 30 * time.Second
	// progressRate is how often restic tells its progress, in times a second: seldom
	// enough that telling is not taken for progress.
	progressRate = "0.05"
	// endGrace is how long restic has between SIGINT and SIGKILL.
	endGrace = 10 * time.Second
)

// Repository is a restic repository and how it is opened. The zero values of the
// fields below URL work when the environment has a password for restic.
type Repository struct {
	// URL is what restic calls the repository's location: a folder, or
	// rest:https://…, s3:…, sftp:…. It goes to restic by its environment, as it may
	// hold credentials.
	URL string
	// PasswordFile and PasswordCommand say where restic has the password from.
	// Without both it is the environment that says: RESTIC_PASSWORD,
	// RESTIC_PASSWORD_FILE or RESTIC_PASSWORD_COMMAND. PasswordFile wins.
	PasswordFile, PasswordCommand string
	// Program is restic, looked up in PATH without a slash; "restic" when empty.
	Program string
	// Patience is how long a request may make no progress before it is ended; ten
	// minutes when zero. Small requests have a fifth of it.
	Patience time.Duration
	// LockWait bounds how long a repository that is locked is tried again; five
	// minutes when zero, not at all when negative.
	LockWait time.Duration
	// Notify, if set, is told in a line that something takes longer, and why.
	Notify func(line string)

	grace time.Duration // between SIGINT and SIGKILL, endGrace when zero
}

func (r *Repository) program() string { return cmp.Or(r.Program, "restic") }

func (r *Repository) patience() time.Duration { return cmp.Or(r.Patience, defaultPatience) }

func (r *Repository) notify(line string) {
	if r.Notify != nil {
		r.Notify(line)
	}
}

// Location is the URL without its credentials, to be shown.
func (r *Repository) Location() string { return newMask(r.URL, nil).text(r.URL) }

// passwordVariables are where restic looks for a password, itself.
var passwordVariables = []string{"RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND"}

// PasswordInEnvironment tells that restic's own variables say where the password is.
func PasswordInEnvironment() bool {
	for _, name := range passwordVariables {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}

// environ is the child's environment: the operator's, as backends have their
// settings there, with the repository, one way to the password, and UTC for the
// times among the arguments.
func (r *Repository) environ() []string {
	set := map[string]string{
		"RESTIC_REPOSITORY": r.URL, "RESTIC_REPOSITORY_FILE": "",
		"RESTIC_PROGRESS_FPS": progressRate, "TZ": "UTC",
	}
	if r.PasswordFile != "" || r.PasswordCommand != "" {
		set["RESTIC_PASSWORD"], set["RESTIC_PASSWORD_FILE"], set["RESTIC_PASSWORD_COMMAND"] = "", r.PasswordFile, ""
		if r.PasswordFile == "" {
			set["RESTIC_PASSWORD_COMMAND"] = r.PasswordCommand
		}
	}
	var env []string
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if _, ours := set[name]; !ours {
			env = append(env, pair)
		}
	}
	for name, value := range set {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// Init makes the repository. One that is there already is an Error of
// AlreadyThere.
func (r *Repository) Init(ctx context.Context) error {
	return r.ask(ctx, "making the repository", nil, "init")
}

// Unlock removes locks whose holders are gone: processes of this machine that have
// ended, and locks that were not renewed for half an hour. A living holder's stays.
func (r *Repository) Unlock(ctx context.Context) error {
	return r.ask(ctx, "removing stale locks", nil, "unlock")
}

// Open tells whether the repository is there and opens with the password.
func (r *Repository) Open(ctx context.Context) error {
	return r.ask(ctx, "opening the repository", nil, "cat", "config", "--no-lock")
}
