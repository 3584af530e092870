package lint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
)

// Result is the answer of a run. Its JSON is the report that other programs
// read: findings, skipped and summary, with empty lists where there is nothing.
type Result struct {
	Findings []Finding // in the order of file, place, rule
	Skipped  []Skip    // in the order of rule, target, reason
	Summary  Summary
	// RuleSet names the rules that ran. In JSON it is in the summary.
	RuleSet string
	// Suppressed are the findings that comments hide, in the same order.
	Suppressed []Suppressed
	// ListSuppressed puts them into the JSON, and not only their number.
	ListSuppressed bool

	files map[string]bool // that were read, as shown
	ran   map[string]bool // rules that ran and looked everywhere, by ID
}

// Summary counts what was looked at and what was found.
type Summary struct {
	Targets  int `json:"targets"`
	Files    int `json:"files"` // that were read, each once
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Infos    int `json:"infos"`
	// Suppressed findings are hidden by comments, baselined ones were known
	// before. Neither counts above.
	Suppressed int `json:"suppressed,omitempty"`
	Baselined  int `json:"baselined,omitempty"`
}

// Failing tells whether a finding is at least as bad as level.
func (r Result) Failing(level Severity) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity >= level })
}

// Failed tells whether a finding fails the run: each target has the failing level
// of Options or of its configuration.
func (r *Result) Failed() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Fails })
}

// drop takes findings out, counts anew what is left, and gives how many went.
func (r *Result) drop(unwanted func(Finding) bool) int {
	before := len(r.Findings)
	r.Findings = slices.DeleteFunc(r.Findings, unwanted)
	s := summarise(r.Findings)
	r.Summary.Errors, r.Summary.Warnings, r.Summary.Infos = s.Errors, s.Warnings, s.Infos
	return before - len(r.Findings)
}

func summarise(findings []Finding) Summary {
	var s Summary
	for _, f := range findings {
		switch f.Severity {
		case Error:
			s.Errors++
		case Warning:
			s.Warnings++
		default:
			s.Infos++
		}
	}
	return s
}

func compareSkips(a, b Skip) int {
	return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Reason, b.Reason))
}

// wire is a Result as JSON.
type wire struct {
	Findings   []Finding    `json:"findings"`
	Skipped    []Skip       `json:"skipped"`
	Suppressed []Suppressed `json:"suppressed,omitempty"`
	Summary    wireSummary  `json:"summary"`
}

type wireSummary struct {
	Summary
	RuleSet string `json:"ruleset"`
}

// MarshalJSON writes the report, empty lists as [].
func (r Result) MarshalJSON() ([]byte, error) {
	w := wire{
		Findings: append([]Finding{}, r.Findings...),
		Skipped:  append([]Skip{}, r.Skipped...),
		Summary:  wireSummary{r.Summary, r.RuleSet},
	}
	if r.ListSuppressed {
		w.Suppressed = slices.Clone(r.Suppressed)
	}
	for i := range w.Findings {
		w.Findings[i].fillLists()
	}
	for i := range w.Suppressed {
		w.Suppressed[i].fillLists()
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(w); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// fillLists makes nil lists empty. What the finding shares is copied first.
func (f *Finding) fillLists() {
	if f.Related == nil {
		f.Related = []Related{}
	}
	if f.Fix != nil && f.Fix.Edits == nil {
		fix := *f.Fix
		fix.Edits = []Edit{}
		f.Fix = &fix
	}
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Result) UnmarshalJSON(data []byte) error {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*r = Result{
		Findings: w.Findings, Skipped: w.Skipped, Summary: w.Summary.Summary, RuleSet: w.Summary.RuleSet,
		Suppressed: w.Suppressed, ListSuppressed: len(w.Suppressed) > 0,
	}
	return nil
}
