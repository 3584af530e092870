package deployer

import (
	"context"
	"fmt"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// Answer is what a verification came to.
type Answer string

// The answers. What could not be compared is unknown, never verified.
const (
	Verified Answer = "verified" // what runs is what the catalogue publishes
	Differs  Answer = "differs"  // something does not agree; it is named
	Unknown  Answer = "unknown"  // the server or the catalogue could not be asked
	// NotDeployed is for an app whose server has no stack of it.
	NotDeployed Answer = "not deployed"
)

// Published is what the catalogue says, today, of the version that an app runs.
type Published struct {
	Desired *Desired // made from the version that runs and the app's env file
	Vetted  bool     // the entry passed its publisher's lint gate
	// Withdrawn is why the version is not for new deploys, "" when it is.
	Withdrawn string
	// Distrust is why the catalogue is not the one to compare with: another than
	// the stack's, or an older one than the swarm has seen. "" when it is.
	Distrust string
	// Expires is when the first of its signatures does; a zero one does not.
	Expires time.Time
}

// Verification is whether one app runs what its catalogue publishes.
type Verification struct {
	Domain  string `json:"domain"`
	Server  string `json:"server"`
	Stack   string `json:"stack"`
	Recipe  string `json:"recipe"`
	Version string `json:"version"` // that runs
	Answer  Answer `json:"answer"`
	// Error is why the answer is unknown, "" when it is not.
	Error string `json:"error"`
	Observed
	// Unverified is why nobody vouches for what runs, as its deploy said.
	Unverified string `json:"unverified"`
	// CatalogueExpires is when the catalogue stops being valid; left out when no
	// catalogue was read.
	CatalogueExpires time.Time `json:"catalogue_expires,omitzero"`

	err error
}

// NewVerification is the one of an app that nothing is known of yet.
func NewVerification(app App) Verification {
	return Verification{
		Domain: app.Domain, Server: app.Server, Stack: app.Stack, Recipe: app.Recipe, Answer: Unknown,
		Observed: Observed{Problems: []string{}, Dropped: []string{}, Notes: []string{}},
	}
}

// Fail says why there is no answer.
func (v *Verification) Fail(err error) { v.Answer, v.Error, v.err = Unknown, oneLine(err.Error()), err }

// Err is why the answer is unknown, with its kind and hint; nil when it is not.
func (v *Verification) Err() error { return v.err }

// expiresSoon is when an expiry is worth a note: publishers sign again long
// before.
const expiresSoon = 72 * time.Hour

// Verify compares what an app's server runs with what is published of it. status
// is what the server said of the stack. It changes nothing. That something could
// not be read is in the answer.
func (e *Engine) Verify(ctx context.Context, app App, status *Status, p Published) Verification {
	v := NewVerification(app)
	v.Version, v.Unverified, v.CatalogueExpires = status.Version, status.Unverified, p.Expires
	observed, err := e.compare(ctx, p.Desired, false, status)
	if err != nil {
		v.Fail(err)
		return v
	}
	v.Observed = observed
	v.judge(app, status, p, time.Now())
	return v
}

// judge adds what the comparison does not look at.
func (v *Verification) judge(app App, status *Status, p Published, now time.Time) {
	problem := func(format string, args ...any) { v.Problems = append(v.Problems, fmt.Sprintf(format, args...)) }
	note := func(format string, args ...any) { v.Notes = append(v.Notes, fmt.Sprintf(format, args...)) }
	if p.Distrust != "" {
		problem("%s", oneLine(p.Distrust))
	}
	if p.Withdrawn != "" {
		problem("%s %s is withdrawn (%s)", status.Recipe, status.Version, oneLine(p.Withdrawn))
	}
	if !p.Vetted {
		problem("%s %s is not vetted: its publisher has no lint gate", status.Recipe, status.Version)
	}
	if status.Unverified != "" {
		problem("nobody vouches for it: %s", status.Unverified)
	}
	if status.Unfinished && status.Lock == nil {
		problem("a deploy was left unfinished: the next one starts from its journal")
	}
	if l := status.Lock; l != nil {
		problem("%s holds the lock since %s, for %s", oneLine(l.Owner), l.Since.UTC().Format(time.RFC3339), oneLine(l.Reason))
	}
	if app.Version != "" && app.Version != status.Version {
		note("the env file names version %s, and %s runs", app.Version, status.Version)
	}
	if !p.Expires.IsZero() && p.Expires.Sub(now) < expiresSoon {
		note("the catalogue expires %s", p.Expires.UTC().Format(time.RFC3339))
	}
	v.Answer = Verified
	if len(v.Problems) > 0 {
		v.Answer = Differs
	}
}

// Undeployed is the error for an app whose server has no stack of it.
func Undeployed(app App) error {
	err := fault.New(fault.Unavailable, "there is no stack %q on server %q", app.Stack, app.Server)
	return fault.Hint(err, "galley app deploy %s brings it there", app.Domain)
}

// Deny says that there is nothing published to compare with, which is an answer:
// nobody vouches for what runs.
func (v *Verification) Deny(status *Status, format string, args ...any) {
	v.Version, v.Unverified = status.Version, status.Unverified
	v.Problems, v.Answer = append(v.Problems, oneLine(fmt.Sprintf(format, args...))), Differs
}
