package lint

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/schemas"
)

func TestEmptyResultHasLists(t *testing.T) {
	got, err := json.Marshal(Result{RuleSet: "rules-v1-00000000"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"findings":[],"skipped":[],"summary":{"targets":0,"files":0,"errors":0,"warnings":0,"infos":0,"ruleset":"rules-v1-00000000"}}`
	if string(got) != want {
		t.Errorf("JSON = %s, want %s", got, want)
	}
}

func TestResultComesBackFromJSON(t *testing.T) {
	want := Result{
		Findings: []Finding{
			{Rule: "R004", Name: "unstable-tag", Severity: Warning, Message: "<latest>", File: "compose.yml", Related: []Related{}},
			{Rule: "R008", Severity: Error, Related: []Related{{File: "a", Message: "b"}}, Fix: &Fix{Edits: []Edit{}}},
		},
		Skipped: []Skip{{Rule: "R006", Target: ".", Reason: "offline"}},
		Summary: Summary{Targets: 1, Files: 2, Errors: 1, Warnings: 1},
		RuleSet: "rules-v1-00000000",
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Result
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("result = %+v, want %+v", got, want)
	}
}

func TestMarshalDoesNotChangeTheResult(t *testing.T) {
	r := Result{Findings: []Finding{{Fix: &Fix{}}}}
	if _, err := json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	if r.Findings[0].Related != nil || r.Findings[0].Fix.Edits != nil {
		t.Errorf("finding = %+v, want it as it was", r.Findings[0])
	}
}

func TestFailing(t *testing.T) {
	tests := []struct {
		severities []Severity
		want       [3]bool // at info, warning, error
	}{
		{nil, [3]bool{false, false, false}},
		{[]Severity{Info}, [3]bool{true, false, false}},
		{[]Severity{Info, Warning}, [3]bool{true, true, false}},
		{[]Severity{Error}, [3]bool{true, true, true}},
	}
	for _, test := range tests {
		var r Result
		for _, s := range test.severities {
			r.Findings = append(r.Findings, Finding{Severity: s})
		}
		for level, want := range test.want {
			if got := r.Failing(Severity(level)); got != want {
				t.Errorf("%v failing at %v = %v, want %v", test.severities, Severity(level), got, want)
			}
		}
	}
}

func TestTheJSONIsWhatTheSchemaSays(t *testing.T) {
	at := recipe.Position{Line: 1, Column: 1}
	f := Finding{
		Rule: "R004", Name: "unstable-tag", Severity: Warning, Message: "m", File: "compose.yml", Start: at, End: at,
		Fix: &Fix{}, Fingerprint: "0123456789abcdef",
	}
	r := Result{
		Findings: []Finding{f}, Suppressed: []Suppressed{{f, "why"}, {Finding: f}}, ListSuppressed: true,
		Skipped: []Skip{{"R006", "published", ".", "offline"}},
		Summary: Summary{Targets: 1, Files: 1, Warnings: 1, Suppressed: 2, Baselined: 3}, RuleSet: "rules-v1-00000000",
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	violations, err := schemas.Validate("lint-report", data)
	if err != nil || len(violations) > 0 {
		t.Errorf("violations = %+v, error = %v, of %s", violations, err, data)
	}
}
