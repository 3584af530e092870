// Package fault says how an error ends a galley command: its exit code and the
// next step for whoever reads it. Both travel inside ordinary wrapped errors, so
// a package deep in the house decides and cmd/galley only prints.
//
// It refuses to be an error framework: there is no stack, no registry of codes
// and nothing to catch.
package fault

import (
	"errors"
	"fmt"
)

// Kind is the class of an error. The zero Kind is Unavailable: an error nobody
// classified means that galley could not run, and that nothing was changed.
type Kind int

// The kinds, with the exit codes that DESIGN calls for.
const (
	// Unavailable: a file, the network or the engine could not be had; nothing was changed (3).
	Unavailable Kind = iota
	// Usage: the command line or a configuration the user wrote is wrong (2).
	Usage
	// Refused: something is not verified; nothing was changed (4).
	Refused
	// No: the command ran, and the answer is no (1).
	No
	// PutBack: a deploy failed and the stack is back where it was (5).
	PutBack
	// Left: a deploy failed and the stack is not back, or it is unknown (6).
	Left
	// Interrupted: stopped by a signal before anything was changed (130).
	Interrupted
)

// ExitCode is the process exit code of the kind.
func (k Kind) ExitCode() int {
	switch k {
	case Usage:
		return 2
	case Refused:
		return 4
	case No:
		return 1
	case PutBack:
		return 5
	case Left:
		return 6
	case Interrupted:
		return 130
	}
	return 3
}

type kindError struct {
	kind Kind
	err  error
}

func (e *kindError) Error() string { return e.err.Error() }
func (e *kindError) Unwrap() error { return e.err }

type hintError struct {
	hint string
	err  error
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// New formats an error of the given kind; %w works as in fmt.Errorf.
func New(kind Kind, format string, args ...any) error {
	return &kindError{kind, fmt.Errorf(format, args...)}
}

// Wrap gives err a kind. A nil err stays nil. The outermost kind wins, so a
// caller that knows better can reclassify.
func Wrap(kind Kind, err error) error {
	if err == nil {
		return nil
	}
	return &kindError{kind, err}
}

// Hint adds the next step a user should take, one line, lower case, no full
// stop. A nil err stays nil. The outermost hint is the one that is shown.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{fmt.Sprintf(format, args...), err}
}

// KindOf is the outermost kind in err's chain, Unavailable when there is none.
func KindOf(err error) Kind {
	var e *kindError
	if errors.As(err, &e) {
		return e.kind
	}
	return Unavailable
}

// HintOf is the outermost hint in err's chain, "" when there is none.
func HintOf(err error) string {
	var e *hintError
	if errors.As(err, &e) {
		return e.hint
	}
	return ""
}
