// Package lint runs rules over a recipe and collects what they find: the
// engine, not the rules. It knows what a rule is, what a finding is, where a
// finding stands and how it is told apart from others; it does not know a single
// rule, a format or a network.
package lint

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/galley-coop/galley/recipe"
)

// Severity says how bad a finding is. The zero Severity is Info.
type Severity int

// The severities: advice; it will hurt someone; it will break or is unsafe.
const (
	Info Severity = iota
	Warning
	Error
)

// String is the severity's name: "info", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "info"
}

// ParseSeverity reads a name that String gives.
func ParseSeverity(name string) (Severity, error) {
	for _, s := range []Severity{Info, Warning, Error} {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%q is no severity; expected info, warning or error", name)
}

// MarshalJSON writes the name.
func (s Severity) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads the name.
func (s *Severity) UnmarshalJSON(data []byte) error {
	var name string
	if err := json.Unmarshal(data, &name); err != nil {
		return err
	}
	parsed, err := ParseSeverity(name)
	*s = parsed
	return err
}

// Finding is one thing a rule found, at one place. Every report format is made
// from it alone.
type Finding struct {
	Rule     string   `json:"rule"` // the rule's ID, "R004"
	Name     string   `json:"name"` // the rule's name, "unstable-tag"
	Severity Severity `json:"severity"`
	Message  string   `json:"message"` // one line, lower case, names the bad value and what was expected
	// File is slash-separated, as the user would type it from where lint ran.
	File  string          `json:"file"`
	Start recipe.Position `json:"start"`
	End   recipe.Position `json:"end"` // exclusive
	// Related are other places that the message speaks of.
	Related []Related `json:"related"`
	// Fix is what cures the finding, nil when no rule knows one.
	Fix *Fix `json:"fix"`
	// Fingerprint is the same for the same finding when lines above it moved:
	// a hash of the rule, the file and what stands at the place, not of the
	// place itself. Equal findings in one file are numbered.
	Fingerprint string `json:"fingerprint"`

	// Source is the text of the line Start is on, for snippets.
	Source string `json:"-"`
	// Fails says that the finding is at or above the failing level of its target.
	Fails bool `json:"-"`
}

// Suppressed is a finding that a comment hides, and why.
type Suppressed struct {
	Finding
	Reason string `json:"reason"` // "" when the comment gives none
}

// Related is a second place of a finding and what it has to do with it.
type Related struct {
	File    string          `json:"file"`
	Start   recipe.Position `json:"start"`
	End     recipe.Position `json:"end"`
	Message string          `json:"message"`
}

// Fix is a change of text that cures a finding. Safe says that it cannot change
// what the recipe does.
type Fix struct {
	Message string `json:"message"`
	Safe    bool   `json:"safe"`
	Edits   []Edit `json:"edits"`
}

// Edit replaces the text between Start and End (exclusive) in File.
type Edit struct {
	File  string          `json:"file"`
	Start recipe.Position `json:"start"`
	End   recipe.Position `json:"end"`
	Text  string          `json:"text"`
}

// Skip is a rule that could not look, and why.
type Skip struct {
	Rule   string `json:"rule"`
	Name   string `json:"name"`
	Target string `json:"target"`
	Reason string `json:"reason"`
}

// compareFindings is the order of every report: by place, then by rule.
func compareFindings(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.File, b.File),
		cmp.Compare(a.Start.Line, b.Start.Line),
		cmp.Compare(a.Start.Column, b.Start.Column),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.End.Line, b.End.Line),
		cmp.Compare(a.End.Column, b.End.Column),
		cmp.Compare(a.Message, b.Message),
	)
}
