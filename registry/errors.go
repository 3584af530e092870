package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/galley-coop/galley/internal/fault"
)

// ErrorKind says what stood between a reference and its digests.
type ErrorKind int

// The kinds of Error.
const (
	// NotFound: the registry does not have it (404).
	NotFound ErrorKind = iota + 1
	// Unauthorized: credentials are missing, wrong or not enough (401, 403).
	Unauthorized
	// RateLimited: the registry asks for fewer requests: with 429, with 503 and a
	// Retry-After, or with RateLimit fields that leave nothing.
	RateLimited
	// Unreachable: no connection, or nothing but server errors (5xx).
	Unreachable
	// Timeout: no answer within Options.Timeout or the context's deadline.
	Timeout
	// BadAnswer: an answer that must not be used: bytes that do not match their
	// digest, HTML, a wrong media type, an artifact, an oversize manifest.
	BadAnswer
	// Credentials: the docker config or its credential helper does not work.
	Credentials
	// OverBudget: Options.MaxRequests are used up, nothing was sent (ErrBudget).
	OverBudget
)

var kindNames = map[ErrorKind]string{
	NotFound: "not found", Unauthorized: "unauthorized", RateLimited: "rate limited",
	Unreachable: "unreachable", Timeout: "timeout", BadAnswer: "bad answer", Credentials: "credentials",
	OverBudget: "over budget",
}

// String is the kind in words.
func (k ErrorKind) String() string { return kindNames[k] }

// Error tells why a reference could not be resolved, on one line and without
// credentials, tokens or URLs' queries. It comes wrapped with a hint and an
// exit code (package fault): use errors.As.
type Error struct {
	Kind       ErrorKind
	Host       string        // registry host that was asked
	Reference  string        // as people write it: "nginx:1.2"
	Status     int           // HTTP status, 0 when there was none
	RetryAfter time.Duration // how long a rate limit lasts, 0 when unknown
	Err        error         // the cause
}

// Error is the message, one line.
func (e *Error) Error() string {
	return fmt.Sprintf("resolving %q: registry %q %s", e.Reference, e.Host, e.Err)
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// The causes that this package makes itself. Each completes the sentence
// "registry … ".
type (
	// answerError: the answer came and must not be used.
	answerError struct{ text string }
	// digestError: bytes, or a claim about them, do not match a digest.
	digestError struct {
		text    string
		missing bool // what has the digest is not there
	}
	// limitError: the registry wants to be left alone for a while: it said so with
	// a status, or its quota is spent, and nothing was sent.
	limitError struct {
		after  time.Duration // 0: unknown
		status int           // 0: nothing was sent
		spent  bool
		of     int64 // the spent quota, not positive when unknown
	}
	// cutError: an answer began and did not come to its end.
	cutError struct{ err error }
	// credentialError: the docker config or a credential helper is broken.
	credentialError struct{ text string }
	// cause is any other reason, in words that are safe to show.
	cause struct {
		text   string
		err    error
		advice string // the next step, where the kind's own is not it
	}
)

func (e *answerError) Error() string     { return e.text }
func (e *digestError) Error() string     { return e.text }
func (e *credentialError) Error() string { return e.text }
func (e *cutError) Error() string        { return "sent an answer that was cut short" }
func (e *cutError) Unwrap() error        { return e.err }
func (e *cause) Error() string           { return e.text }
func (e *cause) Unwrap() error           { return e.err }

func (e *limitError) Error() string {
	text := "limits the rate of requests"
	switch {
	case e.status == http.StatusServiceUnavailable:
		text = "asks to be left alone"
	case e.spent && e.of > 0:
		text += fmt.Sprintf(" and leaves none of %d", e.of)
	case e.spent:
		text += " and leaves none"
	}
	if e.after > 0 {
		text += fmt.Sprintf(" for another %s", max(e.after.Round(time.Second), time.Second))
	}
	if e.status > 0 {
		text += fmt.Sprintf(" (%d)", e.status)
	}
	return text
}

func badAnswer(format string, args ...any) error {
	return &answerError{fmt.Sprintf(format, args...)}
}

func badDigest(format string, args ...any) error {
	return &digestError{text: fmt.Sprintf(format, args...)}
}

// explain turns whatever went wrong into an *Error with its hint and exit code.
func explain(ctx context.Context, host string, ref Reference, err error) error {
	if ctx.Err() == context.Canceled {
		return fault.Wrap(fault.Interrupted, fmt.Errorf("resolving %q: %w", ref.Familiar(), context.Canceled))
	}
	e := classify(err)
	e.Host, e.Reference = host, ref.Familiar()
	kind := fault.Unavailable
	if mismatch := (*digestError)(nil); errors.As(e.Err, &mismatch) {
		kind = fault.Refused
	}
	return fault.Hint(fault.Wrap(kind, e), "%s", e.hint())
}

// explainIf is explain for an err that may be nil.
func explainIf(ctx context.Context, repo name.Repository, ref Reference, err error) error {
	if err == nil {
		return nil
	}
	return explain(ctx, hostName(repo), ref, err)
}

// withoutURL is what an address was asked in vain for: the address may hold a
// token.
func withoutURL(err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		return asked.Err
	}
	return err
}

// classify names the kind and keeps of the cause only what may be shown: errors
// of the HTTP client and of ggcr hold URLs with queries, headers and bodies.
func classify(err error) *Error {
	var (
		answer *answerError
		digest *digestError
		limit  *limitError
		creds  *credentialError
		status *transport.Error
	)
	switch {
	case errors.As(err, &digest):
		return &Error{Kind: BadAnswer, Err: digest}
	case errors.As(err, &answer):
		return &Error{Kind: BadAnswer, Err: answer}
	case errors.As(err, &limit):
		return &Error{Kind: RateLimited, Status: limit.status, RetryAfter: limit.after, Err: limit}
	case errors.Is(err, ErrBudget):
		return &Error{Kind: OverBudget, Err: &cause{text: "is not asked: " + ErrBudget.Error(), err: ErrBudget}}
	case errors.As(err, &creds):
		return &Error{Kind: Credentials, Err: creds}
	case certificateCause(err) != nil:
		// Before the status: a private host that fails at https is asked over
		// plain HTTP too, and answers that with 400.
		wrong := certificateCause(err)
		wrong.err = withoutURL(err) // callers tell it from no answer
		return &Error{Kind: Unreachable, Err: wrong}
	case errors.As(err, &status):
		return classifyStatus(status)
	case errors.Is(err, errTryTimeout), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return &Error{Kind: Timeout, Err: &cause{text: "did not answer in time", err: context.DeadlineExceeded}}
	}
	if text, inner := connectionText(err); text != "" {
		return &Error{Kind: Unreachable, Err: &cause{text: text, err: inner}}
	}
	if strings.Contains(err.Error(), "SSRF protection") { // ggcr's own check has no type
		return &Error{Kind: BadAnswer, Err: &answerError{"redirects to a private address, which is not followed"}}
	}
	return &Error{Kind: BadAnswer, Err: &answerError{"gave an answer that is not understood"}}
}

func classifyStatus(e *transport.Error) *Error {
	status := fmt.Sprintf("(%d%s)", e.StatusCode, codesOf(e))
	is := func(kind ErrorKind, text string) *Error {
		return &Error{Kind: kind, Status: e.StatusCode, Err: &cause{text: text + " " + status}}
	}
	switch code := e.StatusCode; {
	case code == http.StatusNotFound:
		return is(NotFound, "does not have it")
	case code == http.StatusUnauthorized:
		return is(Unauthorized, "wants other credentials")
	case code == http.StatusForbidden:
		return is(Unauthorized, "does not allow it")
	case code >= 500:
		return is(Unreachable, "is not working")
	}
	return is(BadAnswer, "answered with an unexpected status")
}

// codesOf are the error codes of the distribution specification in an answer.
// Their messages are left out: they are free text from a stranger.
func codesOf(e *transport.Error) string {
	for _, d := range e.Errors {
		code := string(d.Code)
		if len(code) > 0 && len(code) <= 40 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" {
			return " " + code
		}
	}
	return ""
}

// hint is the next step for whoever reads the error.
func (e *Error) hint() string {
	again := fmt.Sprintf(`then try "galley registry resolve %s"`, e.Reference)
	if c := (*cause)(nil); errors.As(e.Err, &c) && c.advice != "" {
		return c.advice + ", " + again
	}
	switch e.Kind {
	case NotFound:
		return "check the image's name and tag, " + again
	case Unauthorized:
		return fmt.Sprintf(`log in with "docker login %s" (some registries answer so for what does not exist), %s`, e.Host, again)
	case RateLimited:
		wait := "wait a few minutes"
		if e.RetryAfter > 0 {
			wait = "wait " + cmp.Or(e.RetryAfter.Round(time.Second), time.Second).String()
		}
		return fmt.Sprintf(`%s or log in with "docker login %s" for a higher limit, %s`, wait, e.Host, again)
	case Timeout:
		return "check the network and the registry's status, or allow more time, " + again
	case BadAnswer:
		return "check that the registry, or a proxy before it, serves this image, " + again
	case OverBudget:
		return "what was learned is kept: allow more requests, or go on later, " + again
	case Credentials:
		return `repair the docker config ("~/.docker/config.json", or in $DOCKER_CONFIG), ` + again
	}
	return "check the registry's name, the network and the proxy settings, " + again
}
